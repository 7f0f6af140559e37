"""`make bench`, quick: the benchmark must run to its end on the layer as it is built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from performance_parts import stage

ROOT = Path(__file__).parents[2]


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_a_quick_run_on_the_built_layer_ends_with_a_page(tmp_path: Path) -> None:
    """Everything from the zip to the picture, for the smallest part."""
    if problem := stage.why_not():
        pytest.skip(problem)
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    command = [sys.executable, str(ROOT / "benchmarks/performance.py"), "--quick"]
    done = subprocess.run(
        [*command, "--only", "start", "--docs", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "performance.json").read_text())["start"]
    assert "failed" not in found, found
    assert found["1769 MB"]["layer"]["cpu_ms"] > found["1769 MB"]["python"]["cpu_ms"] * 0.5
    assert found["imports"]
    assert "spawn to first `next`" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "performance-start.svg").exists()
