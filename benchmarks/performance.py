"""Measures the built layer, compared with references, in Lambda's envelopes.

    python benchmarks/performance.py                      everything, some 20 minutes
    python benchmarks/performance.py --only start,memory --quick
    python benchmarks/performance.py --page               docs/performance.md from existing results

Each part runs in its own process. Its results are written to docs/performance.json at once; results
of other parts there stay. It needs `make layer`, root and namespaces.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests/servers")]

from performance_parts import stage  # noqa: E402 - found by the line above

DOCS = stage.CHECKOUT / "docs"
PARTS = ("weight", "start", "memory", "receiver", "whole_way", "flushes", "added")
LIMIT_S, END_S = 900, 60


def main() -> None:
    """Run the requested parts, on the stage."""
    options = arguments()
    if options.part:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        part = import_module(f"performance_parts.{options.part}")
        print(json.dumps(part.measure(quick=options.quick)))
        return
    # A quick run does not replace the results in the docs.
    docs: Path = options.docs or (stage.BUILT if options.quick else DOCS)
    results = docs / "performance.json"
    if not options.page:
        if not stage.entered():
            stage.enter([str(Path(__file__)), *sys.argv[1:]])
        docs.mkdir(parents=True, exist_ok=True)
        run(options.only, results, quick=options.quick)
    import_module("performance_parts.page").write(json.loads(results.read_text()), docs)
    print(f"see {docs / 'performance.md'}")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="PART,…", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, one envelope")
    parser.add_argument("--page", action="store_true", help="measure nothing, only write the page")
    parser.add_argument("--docs", type=Path, help="where results and page go")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(only: str, results: Path, *, quick: bool) -> None:
    """Measure parts, one process after the other; a failing part loses only its own figures."""
    wanted = [part for part in PARTS if not only or part in only.split(",")]
    found: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    machine = import_module("performance_parts.machine")
    for part in wanted:
        started_s = time.monotonic()
        about = {"machine": machine.description(), "quick": quick}
        print(f"{part} …", end=" ", flush=True)
        figures = measured(part, quick=quick)
        about["seconds"] = round(time.monotonic() - started_s, 1)
        problems = [figures["failed"]] if "failed" in figures else figures.get("problems", [])
        print("\n".join((f"{about['seconds']:.0f} s", *problems)), flush=True)
        found[part] = {**figures, "about": about}
        results.write_text(json.dumps(found, indent=1) + "\n")


def measured(part: str, *, quick: bool) -> dict[str, Any]:
    """Return the figures of one part; `failed` has the reason if it failed."""
    command = [sys.executable, __file__, "--part", part, *(["--quick"] if quick else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    problem = ""
    try:
        out, said = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.terminate()  # it then ends its servers and subjects
        out, _ = process.communicate(timeout=END_S)
        said = f"not over within {LIMIT_S} s"
    if process.returncode:
        # The docs must not contain folders of this machine.
        problem = said.replace(f"{stage.CHECKOUT}/", "").strip()[-1_500:]
    return figures_in(out, problem)


def figures_in(out: str, problem: str) -> dict[str, Any]:
    """Return the last figures of a part; after a problem they are incomplete or empty."""
    told = out.splitlines()
    if not told:
        return {"failed": problem}
    figures: dict[str, Any] = json.loads(told[-1])
    if problem:
        figures.setdefault("problems", []).append(problem)
    return figures


if __name__ == "__main__":
    main()
