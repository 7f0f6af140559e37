"""Measures CPU and wall time from spawn to first `next`, as ratios to a bare interpreter.

    python benchmarks/start_up.py [RUNS]

The extension registers and subscribes with the local execution environment. The answer to the
subscription is 202, so no work after the first `next` is measured. Wall time includes the answers
of the environment's server; CPU time is that of the extension only.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.local import ExtensionProgram, Faults, Plan

ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-S")
FUNCTION = "def handler(event, context):\n    return None\n"


def bare() -> tuple[float, float]:
    """Return (CPU ms, wall ms) of an idle interpreter."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*PYTHON, "-c", "pass"], check=True)
    after, wall_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s * 1_000, wall_s * 1_000


def extension(folder: Path) -> tuple[float, float]:
    """Return (CPU ms, wall ms) of the extension until its first `next`."""
    launcher = ROOT / "extension" / "otlp2parquet"
    program = ExtensionProgram(name="otlp2parquet", command=(*PYTHON, str(launcher)))
    plan = Plan(
        handler="app.handler",
        code=folder,
        extensions=(program,),
        limited=False,
        destination="file:///nowhere",
        env={"PYTHONPATH": str(ROOT)},
        faults=Faults(refuse_subscription=202),
    )
    run = local.run(plan).extensions[0]
    assert run.ready_cpu_ms is not None, "this machine has no /proc"
    assert run.ready_ms is not None, run.lines
    return run.ready_cpu_ms, run.ready_ms


def main() -> None:
    """Measure both in turn and print medians."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    folder = Path(__file__).parent / "build"
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(FUNCTION)
    extension(folder)  # byte-code
    pairs = [(bare(), extension(folder)) for _ in range(runs)]
    for number, what in enumerate(("CPU", "wall")):
        base = statistics.median(pair[0][number] for pair in pairs)
        ours = statistics.median(pair[1][number] for pair in pairs)
        print(
            f"{what}: bare {base:.1f} ms, until first next {ours:.1f} ms, ratio {ours / base:.2f}"
        )


if __name__ == "__main__":
    main()
