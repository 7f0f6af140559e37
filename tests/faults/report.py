"""The matrix as lines of a terminal, as JSON, and as the table of docs/reliability.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from faults.judging import added_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from faults.judging import Row
    from faults.scenario import Scenario

BEGIN, END = "<!-- begin: make test-faults -->", "<!-- end: make test-faults -->"
COLUMNS = (
    "scenario",
    "strategy",
    "destination",
    "sent",
    "committed",
    "inbox",
    "spool",
    "dropped",
    "lost",
    "twice",
    "first ms",
    "p50 ms",
    "max ms",
    "added p50 / max",
    "held",
    "peak MB",
    "exits",
    "failed",
    "s",
)
WIDTHS = (18, 9, 11, 8, 9, 6, 7, 7, 5, 5, 8, 7, 8, 17, 4, 7, 10, 6, 5)


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of one row."""
    found, counted = row.figures, row.books
    added = added_ms(found)
    return (
        row.cell.scenario.name,
        row.cell.strategy,
        row.cell.destination,
        str(counted.sent),
        str(counted.committed),
        str(counted.inbox),
        str(counted.spool),
        str(counted.dropped),
        str(counted.lost),
        str(counted.twice),
        f"{found.times.first:.1f}",
        f"{found.times.p50:.1f}",
        f"{found.times.most:.1f}",
        f"{added[1]:+.1f} / {added[2]:+.1f}" if added else "",
        "" if found.held is None else str(found.held),
        f"{found.peak_mb:.0f}",
        found.exits,
        str(found.failed),
        f"{row.seconds:.0f}",
    )


def line(texts: Sequence[str]) -> str:
    """Return one row for a terminal."""
    return " ".join(
        text.ljust(width) if number < 3 else text.rjust(width)
        for number, (text, width) in enumerate(zip(texts, WIDTHS, strict=True))
    ).rstrip()


def document(rows: Iterable[Row], facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, for JSON."""
    return {
        **facts,
        "cells": [
            {
                "scenario": row.cell.scenario.name,
                "strategy": row.cell.strategy,
                "destination": row.cell.destination,
                **asdict(row.books),
                **asdict(row.figures),
                "seconds": round(row.seconds, 1),
            }
            for row in rows
        ],
    }


def markdown(rows: Iterable[Row], scenarios: Iterable[Scenario], facts: Sequence[str]) -> str:
    """Return what stands between the markers."""
    head = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    body = ["| " + " | ".join(cells(row)) + " |" for row in rows]
    says = ["| scenario | what happens |", "|---|---|"]
    says += [f"| {it.name} | {it.says} |" for it in scenarios]
    return "\n".join([*facts, "", *says, "", *head, *body])


def write(folder: Path, texts: str, measured: dict[str, Any]) -> None:
    """Write both files; the prose around the markers stays."""
    (folder / "reliability.json").write_text(json.dumps(measured, indent=1) + "\n")
    path = folder / "reliability.md"
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n{texts}\n{END}{after}")
