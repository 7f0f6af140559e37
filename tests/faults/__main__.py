"""`make test-faults`: run the matrix, or what is selected of it; exit 1 when a promise is broken.

    make test-faults FAULTS="--only shutdown --strategy end --destination sqlite"

A run of everything writes docs/reliability.json and the table of docs/reliability.md; `--merge`
replaces in them the rows of a selection. `--soak 900` soaks for so many seconds instead; `--merge`
puts its figures into the page.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults import report, soak_report
from faults.judging import Row, judged
from faults.runner import ROOT, SkippedError, run_cell
from faults.scenario import EVERY, STRATEGIES, Cell
from faults.soak import ENVIRONMENTS, soak
from faults.table import scenarios
from faults.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = ROOT / "docs"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make test-faults", description=__doc__)
    add = parser.add_argument
    add("--only", action="append", metavar="PATTERN", help="scenarios, by part or shell pattern")
    add("--strategy", action="append", choices=STRATEGIES)
    add("--destination", action="append", choices=EVERY)
    add("--seed", type=int, help="of the random kills; told at the start")
    add("--list", action="store_true", help="name the cells and run none")
    add("--merge", action="store_true", help="put the rows of a selection into the docs, too")
    add("--soak", type=float, metavar="SECONDS", help="soak, with --destination if not of all")
    add("--lines", action="store_true", help="show what the extension said")
    return parser.parse_args()


def selected(args: argparse.Namespace, seed: int) -> list[Cell]:
    """Return the selected cells."""

    def wanted(name: str) -> bool:
        return not args.only or any(
            fnmatchcase(name, pattern if "*" in pattern else f"*{pattern}*")
            for pattern in args.only
        )

    return [
        Cell(scenario, strategy, destination)
        for scenario in scenarios(seed)
        if wanted(scenario.name)
        for strategy in scenario.strategies
        if not args.strategy or strategy in args.strategy
        for destination in scenario.destinations
        if not args.destination or destination in args.destination
    ]


def main() -> int:
    """Run what is selected; return the exit status."""
    args = arguments()
    if args.soak is not None:
        return _soak(args)
    old: dict[str, Any] = {"seed": random.randrange(1_000_000)}
    if args.merge:
        old = report.measured(DOCS)
    seed = int(old["seed"]) if args.seed is None else args.seed
    cells = selected(args, seed)
    if args.list or not cells:
        print("\n".join(map(str, cells)) or "no cell is of that name; --list names all")
        return int(not cells)
    print(f"{len(cells)} cells, seed {seed}", flush=True)
    print(report.line(report.COLUMNS), flush=True)
    started_s = time.monotonic()
    rows, skipped = _run(cells, show_lines=args.lines)
    minutes = (time.monotonic() - started_s) / 60
    failures = sum(bool(row.figures.broken) for row in rows)
    print(f"{len(rows)} cells in {minutes:.1f} minutes, {failures} of them broke a promise")
    found = [report.entry(row) for row in rows]
    if args.merge:
        cells_now = report.merged(old["cells"], found)
        again = old["again"] + len(found)
        report.write(DOCS, {**old, "again": again, "cells": cells_now}, scenarios(seed))
    elif not (args.only or args.strategy or args.destination):
        facts = _facts(seed, minutes, rows[0].figures.isolation, skipped)
        report.write(DOCS, {**facts, "cells": found}, scenarios(seed))
    return int(failures > 0)


def _soak(args: argparse.Namespace) -> int:
    """Soak; return the exit status."""
    seed = random.randrange(1_000_000) if args.seed is None else args.seed
    kinds = [kind for kind in ENVIRONMENTS if not args.destination or kind in args.destination]
    print(f"{args.soak:.0f} s of chaos at {', '.join(kinds)}, seed {seed}", flush=True)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        results = soak(seed, args.soak, Path(folder), kinds)
    print("\n".join(soak_report.lines(results)))
    if args.merge:
        facts = _facts(seed, (time.monotonic() - started_s) / 60, "", [])
        head = (
            f"{args.soak:.0f} s of chaos, and what it took to put right, in {facts['minutes']:.0f} "
            f"minutes on {facts['machine']}; seed {seed}; {facts['date']}."
        )
        soak_report.write(DOCS, results, head)
    return int(any(result.broken for result in results))


def _run(cells: list[Cell], *, show_lines: bool) -> tuple[list[Row], list[str]]:
    """Run cells one at a time; return what they showed, and why others could not be run."""
    rows: list[Row] = []
    skipped: list[str] = []
    with Targets() as targets:
        for cell in cells:
            with tempfile.TemporaryDirectory(prefix="faults-") as folder:
                try:
                    result = run_cell(cell, targets, Path(folder))
                except SkippedError as reason:
                    skipped.append(f"{cell}: not run: {reason}")
                    print(skipped[-1], flush=True)
                    continue
            rows.append(judged(result))
            _show(rows[-1], result.outcome.extension_lines, always=show_lines)
    return rows, skipped


def _show(row: Row, lines: Sequence[str], *, always: bool) -> None:
    """Print one row, and the log of the extension if a promise was broken."""
    print(report.line(report.cells(report.entry(row))), flush=True)
    for problem in row.figures.broken:
        print(f"    BROKEN: {problem}", flush=True)
    for text in lines[:20] if row.figures.broken or always else ():
        print(f"    {text}", flush=True)


def _facts(seed: int, minutes: float, isolation: str, skipped: list[str]) -> dict[str, Any]:
    """Return what must be known to read the figures."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} CPUs, {system}",
        "isolation": isolation,
        "seed": seed,
        "minutes": round(minutes, 1),
        "skipped": skipped,
        "again": 0,
    }


if __name__ == "__main__":
    sys.exit(main())
