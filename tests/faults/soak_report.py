"""A soak's figures: a table for a terminal, and the same for docs/reliability.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.report import put_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faults.soak import LaneResult

MARKERS = ("<!-- begin: make soak -->", "<!-- end: make soak -->")
COUNTED = (
    "lives",
    "invocations",
    "processes",
    "kills",
    "stops",
    "deliveries",
    "redelivered",
    "troubles",
    "floods",
    "forged",
    "commits",
    "commits killed",
    "taken for another",
)
COLUMNS = (
    "destination",
    "environments",
    *COUNTED,
    "sent",
    "committed",
    "dropped",
    "lost",
    "twice",
    "peak MB",
)


def cells(result: LaneResult) -> tuple[str, ...]:
    """Return the texts of one destination."""
    books = result.books
    counts = (books.sent, books.committed, books.dropped, books.lost, books.twice)
    return (
        result.kind,
        str(result.environments),
        *(str(result.figures[name]) for name in COUNTED),
        *map(str, counts),
        f"{result.peak_mb:.0f}",
    )


def lines(results: Sequence[LaneResult]) -> list[str]:
    """Return one figure a line, one destination a column, and what was broken."""
    columns = [cells(result) for result in results]
    rows = [
        f"{name:18}" + "".join(f"{column[number]:>12}" for column in columns)
        for number, name in enumerate(COLUMNS)
    ]
    return [*rows, *(f"BROKEN: {text}" for text in broken(results))]


def broken(results: Sequence[LaneResult]) -> list[str]:
    """Return the promises that were broken; what strangers wrote is escaped."""
    return [f"{result.kind}: {ascii(text)[1:-1]}" for result in results for text in result.broken]


def write(folder: Path, results: Sequence[LaneResult], head: str) -> None:
    """Put a soak's figures into the page."""
    columns = [cells(result) for result in results]
    problems = broken(results)
    told = [
        head,
        "",
        "These promises were broken:" if problems else "No promise was broken.",
        "",
        *(f"- {text}" for text in problems),
        *([""] if problems else []),
        "| " + " | ".join(("", *(column[0] for column in columns))) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(
            "| " + " | ".join((name, *(column[number] for column in columns))) + " |"
            for number, name in enumerate(COLUMNS)
            if number
        ),
    ]
    put_between(folder / "reliability.md", MARKERS, "\n".join(told))
