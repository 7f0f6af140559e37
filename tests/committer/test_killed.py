"""Exactly once under kill -9: after deaths at any step every row is there, and none twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from committer_bench import ALL_LAKES
from killed_fleet import Plan, body
from lake_bench import Home

if TYPE_CHECKING:
    from places import Place

pytestmark = pytest.mark.thorough

PATHS = os.pathsep.join(path for path in sys.path if path)


def let_live(plan: Plan, folder: Path) -> dict[str, Any]:
    """Run a fleet in a process of its own."""
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    program = Path(__file__).with_name("killed_fleet.py")
    ran = subprocess.run(
        [sys.executable, program, folder / "plan.json"],
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
        timeout=plan.seconds + 30,
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found.get("failed") == 0, (found, ran.stderr[-2_000:])
    return found


def check(lake: Place, plan: Plan) -> None:
    """Read everything back with DuckDB, which wrote none of it."""
    expected = Counter(body(w, b) for w in range(plan.writers) for b in range(plan.batches))
    read = Counter(lake.bodies())
    assert read - expected == Counter(), "twice"
    assert expected - read == Counter(), "lost"
    assert lake.inbox() == []


@pytest.mark.e2e
def test_32_killed_writers_and_3_racing_committers_leave_every_row_exactly_once(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Issue 4, "Done when": killed at random steps and started again, on SQLite and a disk."""
    lake = ALL_LAKES["sqlite"](tmp_path, request)
    plan = Plan(lake.variables, str(tmp_path), seed=int.from_bytes(os.urandom(4)))
    found = let_live(plan, tmp_path)
    assert found["writer_deaths"] >= 48, found
    assert found["committer_deaths"] >= 3, found
    check(lake, plan)
    table = Home(tmp_path).table()
    for snapshot in table.metadata.snapshots:  # none has lost a manifest to the cleaning
        assert table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows > 0


@pytest.mark.e2e
@pytest.mark.parametrize("kind", [kind for kind in ALL_LAKES if kind != "sqlite"])
def test_so_do_fewer_of_them_on_servers(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each request may be the last one, with a lost answer."""
    lake = ALL_LAKES[kind](tmp_path, request)
    plan = Plan(
        lake.variables,
        str(tmp_path),
        writers=6,
        batches=5,
        direct=2,
        deaths=3,
        seed=int.from_bytes(os.urandom(4)),
    )
    found = let_live(plan, tmp_path)
    assert found["writer_deaths"] >= 3, found
    check(lake, plan)
