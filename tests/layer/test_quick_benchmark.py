"""`make bench`, quick: each part of the benchmark must run to its end on the layer as built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from performance_parts import stage

pytestmark = [pytest.mark.timing, pytest.mark.layer]

ROOT = Path(__file__).parents[2]


PARTS = {"weight", "start", "memory", "receiver", "whole_way", "flushes", "added"}


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_quick_run_on_the_built_layer_ends_with_a_page(tmp_path: Path) -> None:
    """It runs everything from the zip to the picture, so a broken part shows here."""
    if problem := stage.why_not():
        pytest.skip(problem)
    if shutil.which("node") is None:
        pytest.skip("Node is not installed: apt-get install nodejs")
    command = [sys.executable, str(ROOT / "benchmarks/performance.py"), "--quick"]
    done = subprocess.run(
        [*command, "--docs", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "performance.json").read_text())
    assert found.keys() == PARTS
    troubles = {part: f.get("failed") or f.get("problems") for part, f in found.items()}
    assert not any(troubles.values()), troubles
    start = found["start"]
    assert start["1769 MB"]["layer"]["cpu_ms"] > start["1769 MB"]["python"]["cpu_ms"] * 0.5
    assert start["imports"]
    assert found["flushes"]["ms"].keys() == {"file", "sqlite", "s3", "glue"}
    assert "spawn to first `next`" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance-start.svg").exists()
