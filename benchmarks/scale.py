"""Measures many writers of one table: lost and duplicate rows, delay to visibility, and cost.

    python benchmarks/scale.py run MODE WRITERS [COMMITTERS] [--kill] [--flushes N] …  one run
    python benchmarks/scale.py all RESULTS.json [--quick]      every run of docs/scale.md
    python benchmarks/scale.py growth RESULTS.json [COMMITS]   one table, thousands of commits
    python benchmarks/scale.py page RESULTS.json DOCS          docs/scale.md and its pictures

A writer is a process with a real spool and flush (`Flusher`), forked after the imports; a committer
is a process that commits the inbox. `--storage-ms` and `--catalog-ms` set the latency of disk and
catalog. The figures come from one small machine, so read them as ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scale_parts import figures, fleet, growth, lakes, page
from scale_parts.plan import Plan

from otlp2parquet_ext.functions.committer.opening import open_place
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 600.0
MEMORY = Path("/dev/shm")  # noqa: S108 - writers share one disk here, and would wait for its fsync
COUNTS = (2, 8, 32, 128)


def run(plan: Plan) -> dict[str, Any]:
    """Run one plan in its own folder; return its figures."""
    folder = Path(tempfile.mkdtemp(dir=memory(), prefix="scale-"))
    try:
        with lakes.opened(plan, folder) as home:
            started = time.monotonic()
            kills = fleet.run(plan, home, LIMIT_S)
            wall_s, requests = time.monotonic() - started, lakes.requests(home)
            left = home.waiting()
            spooled = len(list(folder.glob("spool/**/*.seg")))
            # Commit the files that the last environments left, as the next committer would.
            commit_waiting(open_place(home.near_variables), now_ms() + fleet.COMMIT_LIMIT_MS)
            return figures.of_run(
                plan,
                home,
                wall_s=wall_s,
                kills=kills,
                left=left,
                spooled=spooled,
                requests=requests,
            )
    finally:
        shutil.rmtree(folder)


def memory() -> Path | None:
    """Return a folder in memory; None if there is none."""
    return MEMORY if MEMORY.is_dir() else None


def machine() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "disk": "in memory" if memory() else "real",
    }


def plans(*, quick: bool) -> Iterator[Plan]:
    """Yield every run of the page."""
    flushes = 4 if quick else 12
    counts = COUNTS[:2] if quick else COUNTS
    killed = counts[-2]
    for lake in ("disk", "rest"):
        for writers in counts:
            yield Plan(mode="direct", writers=writers, flushes=flushes, lake=lake)
            yield Plan(mode="inbox", writers=writers, committers=1, flushes=flushes, lake=lake)
        for committers in (2, 3):
            yield Plan(
                mode="inbox", writers=counts[-1], committers=committers, flushes=flushes, lake=lake
            )
        for mode, committers in (("direct", 0), ("inbox", 3)):
            yield Plan(
                mode=mode,
                writers=killed,
                committers=committers,
                flushes=flushes,
                kill_every_ms=300,
                lake=lake,
            )


def run_all(results: Path, *, quick: bool, only: str) -> None:
    """Run all plans, or those on one lake; write the results of each run at its end."""
    found: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    found["machine"] = machine()
    found["runs"] = [run for run in found.get("runs", ()) if only and run["plan"]["lake"] != only]
    for plan in plans(quick=quick):
        if only and plan.lake != only:
            continue
        try:
            figures_of_it = run(plan)
        except Exception as error:  # noqa: BLE001 - one run less is better than none
            print(f"{plan.label}: {type(error).__name__}: {error}", flush=True)
            continue
        found["runs"].append(figures_of_it)
        results.write_text(json.dumps(found, indent=1) + "\n")
        print(line(figures_of_it), flush=True)


def run_growth(results: Path, commits: int) -> None:
    """Measure the growth of one table; add the figures to the results."""
    found: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    found["growth"] = []
    for care_every in (0, growth.CARE_EVERY):
        for milestone in growth.milestones(memory(), commits, care_every):
            found["growth"].append(milestone)
            results.write_text(json.dumps(found, indent=1) + "\n")
            print(json.dumps(milestone), flush=True)


def line(of: dict[str, Any]) -> str:
    """Return a run in one line."""
    return (
        f"{of['label']}: lost {of['lost']}, twice {of['twice']} of {of['rows']} rows, "
        f"{of['commits']} commits ({of['commits_per_s']:.1f}/s), refused {of['refused']}, "
        f"busy {of['busy']}, visible p50 {of['visible_p50_s']:.1f} s, "
        f"p99 {of['visible_p99_s']:.1f} s, "
        f"{of['visible_rows_per_s']:.0f} rows/s, commit p50 {of['commit_p50_ms']:.0f} ms, "
        f"CPU {of['cpu_ms_per_flush'] or 0:.1f} ms a flush, left {of['left_in_inbox']} in the "
        f"inbox, {of['left_in_spools']} in spools, {of['kills']} kills, {of['wall_s']:.0f} s"
    )


def main() -> None:
    """Run the requested command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("run")
    one.add_argument("mode", choices=("direct", "inbox"))
    one.add_argument("writers", type=int)
    one.add_argument("committers", type=int, nargs="?", default=0)
    one.add_argument("--kill", type=int, default=0, metavar="EVERY_MS")
    for name in ("flushes", "flush_ms", "rows", "interval_ms", "committer_ms", "timeout_ms"):
        one.add_argument("--" + name.replace("_", "-"), type=int)
    one.add_argument("--lake", choices=("disk", "rest"), default="disk")
    one.add_argument("--storage-ms", type=float)
    one.add_argument("--catalog-ms", type=float)
    every = commands.add_parser("all")
    every.add_argument("results", type=Path)
    every.add_argument("--quick", action="store_true")
    every.add_argument("--only", choices=("disk", "rest"), default="")
    grow = commands.add_parser("growth")
    grow.add_argument("results", type=Path)
    grow.add_argument("commits", type=int, nargs="?", default=3_000)
    paper = commands.add_parser("page")
    paper.add_argument("results", type=Path)
    paper.add_argument("docs", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "run":
        given = {k: v for k, v in vars(chosen).items() if v is not None}
        kill, _ = given.pop("kill"), given.pop("what")
        found = run(Plan(kill_every_ms=kill, **given))
        json.dump(found, sys.stdout, indent=1)
        print("\n" + line(found))
    elif chosen.what == "all":
        run_all(chosen.results, quick=chosen.quick, only=chosen.only)
    elif chosen.what == "growth":
        run_growth(chosen.results, chosen.commits)
    else:
        page.written(json.loads(chosen.results.read_text()), chosen.docs)


if __name__ == "__main__":
    main()
