"""Compares import policies for batches: time added to invocations, and time to the first rows.

    python benchmarks/preload.py [--runs 3] [--layer FOLDER] [--gap-ms 200]

A function of 20 ms is invoked six times in the local environment, with the CPU and memory of each
size (cgroups, as root). It prints medians: INIT of the function, the time that the extension adds
to the first invocation and to the others, the time from the environment's spawn to the first file
in the lake (frozen time included), and the peak memory of both together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from agent_start import command

from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.local import ExtensionProgram, Plan

SIZES_MB = (1_769, 512, 128)
POLICIES = ("init", "lazy")
FUNCTION = """
import time
def handler(event, context):
    for number in range(5):
        print("line", number)
    time.sleep(0.02)
"""


def watch(lake: Path, found: list[float], ended: threading.Event) -> None:
    """Record the time of the first file in the lake."""
    while not ended.is_set():
        if next(lake.rglob("*.parquet"), None):
            found.append(time.monotonic())
            return
        time.sleep(0.01)


def one(layer: str, memory_mb: int, policy: str, *, gap_ms: int, boost: bool) -> dict[str, Any]:
    """Run one measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(FUNCTION)
        plan = Plan(
            handler="app.handler",
            code=folder,
            extensions=(ExtensionProgram(name="otlp2parquet", command=tuple(command(layer))),),
            memory_mb=memory_mb,
            timeout_s=30,
            invocations=6,
            gap_ms=gap_ms,
            init_boost=boost,
            destination=f"file://{folder}/lake",
            env={"OTLP2PARQUET_PRELOAD": policy, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        found: list[float] = []
        ended = threading.Event()
        watcher = threading.Thread(target=watch, args=(folder / "lake", found, ended))
        watcher.start()
        started = time.monotonic()
        outcome = local.run(plan)
        ended.set()
        watcher.join()
    added = [invocation.post_runtime_extension_ms for invocation in outcome.invocations]
    assert outcome.succeeded, outcome
    return {
        "memory_mb": memory_mb,
        "boost": boost,
        "preload": policy,
        "init_ms": outcome.init_ms,
        "first_added_ms": added[0],
        "others_added_ms": statistics.median(added[1:]),
        "all_added_ms": sum(added),
        "visible_ms": (found[0] - started) * 1_000 if found else float("nan"),
        "peak_mb": (outcome.peak_memory_bytes or 0) / 1_048_576,
    }


def results(layer: str = "", runs: int = 3, gap_ms: int = 200) -> list[dict[str, Any]]:
    """Return medians; the policies take turns."""
    rows = []
    for boost in (False, True):
        for memory_mb in SIZES_MB:
            made: dict[str, list[dict[str, Any]]] = {policy: [] for policy in POLICIES}
            for _ in range(runs):
                for policy, several in made.items():
                    several.append(one(layer, memory_mb, policy, gap_ms=gap_ms, boost=boost))
            rows += [
                {
                    key: round(statistics.median(run[key] for run in several), 1)
                    if isinstance(value, float)
                    else value
                    for key, value in several[0].items()
                }
                for several in made.values()
            ]
    return rows


def main() -> None:
    """Print a line for each size and policy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--layer", default="")
    parser.add_argument("--gap-ms", type=int, default=200)
    options = parser.parse_args()
    for row in results(options.layer, options.runs, options.gap_ms):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
