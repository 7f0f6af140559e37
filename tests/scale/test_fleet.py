"""Fleets of real processes on one table, killed at random: every row is there exactly once.

These tests run the benchmark of `docs/scale.md` itself, in a small size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
BENCHMARK = ROOT / "benchmarks" / "scale.py"
LIMIT_S = 110


def fleet(*arguments: str) -> dict[str, Any]:
    """Run a fleet; return its figures."""
    run = subprocess.run(
        [sys.executable, str(BENCHMARK), "run", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr[-3_000:]
    figures: dict[str, Any] = json.loads(run.stdout.rpartition("}")[0] + "}")
    return figures


@pytest.mark.e2e
def test_killed_writers_and_racing_committers_leave_every_row_exactly_once() -> None:
    """Every fifth of a second SIGKILL hits one of 32 writers and 3 committers."""
    found = fleet("inbox", "32", "3", "--kill", "200", "--flushes", "4", "--flush-ms", "1500")
    assert found["kills"] > 10
    assert found["rows"] > 32 * 50
    assert (found["lost"], found["twice"]) == (0, 0), found
    assert found["left_in_spools"] == 0


@pytest.mark.e2e
def test_direct_writers_that_are_killed_leave_every_row_exactly_once() -> None:
    """Each commits itself; who loses against the others leaves its files in the inbox."""
    found = fleet("direct", "16", "--kill", "200", "--flushes", "4", "--flush-ms", "1500")
    assert found["kills"] > 10
    assert found["commits"] > 1
    assert (found["lost"], found["twice"]) == (0, 0), found


@pytest.mark.e2e
@pytest.mark.timing
def test_direct_writers_become_visible_within_a_few_seconds() -> None:
    """A second until the flush, five until the next commit, the rest for a slow day."""
    found = fleet("direct", "4", "--flushes", "4", "--flush-ms", "1500")
    assert (found["lost"], found["twice"]) == (0, 0), found
    assert found["visible_p50_s"] < 10
