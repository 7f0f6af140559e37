"""The matrix as lines of a terminal, as JSON, and as the table of docs/reliability.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from faults.judging import Row
    from faults.scenario import Scenario

    Entry: TypeAlias = dict[str, Any]

BEGIN, END = "<!-- begin: make test-faults -->", "<!-- end: make test-faults -->"
JSON = "reliability.json"
KEY = ("scenario", "strategy", "destination")
COLUMNS = (
    *KEY,
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


def entry(row: Row) -> Entry:
    """Return everything that a cell showed, for the JSON."""
    return {
        "scenario": row.cell.scenario.name,
        "strategy": row.cell.strategy,
        "destination": row.cell.destination,
        **asdict(row.books),
        **{name: _plain(value) for name, value in asdict(row.figures).items()},
        "seconds": round(row.seconds, 1),
    }


def _plain(value: Any) -> Any:
    """Return a value in the form of JSON, without meaningless digits."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return round(value, 2) if isinstance(value, float) else value


def cells(row: Entry) -> tuple[str, ...]:
    """Return the texts of one row."""
    counts = ("sent", "committed", "inbox", "spool", "dropped", "lost", "twice")
    times, healthy = row["times"], row["healthy"]
    added = ""
    if healthy:
        added = " / ".join(f"{times[name] - healthy[name]:+.1f}" for name in ("p50", "most"))
    return (
        *(row[name] for name in KEY),
        *(str(row[name]) for name in counts),
        *(f"{times[name]:.1f}" for name in ("first", "p50", "most")),
        added,
        "" if row["held"] is None else str(row["held"]),
        f"{row['peak_mb']:.0f}",
        row["exits"],
        str(row["failed"]),
        f"{row['seconds']:.0f}",
    )


def line(texts: Sequence[str]) -> str:
    """Return one row for a terminal."""
    return " ".join(
        text.ljust(width) if number < 3 else text.rjust(width)
        for number, (text, width) in enumerate(zip(texts, WIDTHS, strict=True))
    ).rstrip()


def merged(old: Sequence[Entry], new: Iterable[Entry]) -> list[Entry]:
    """Put rows into the place of those of the same cells; others follow."""
    rows = {tuple(row[name] for name in KEY): row for row in old}
    rows.update({tuple(row[name] for name in KEY): row for row in new})
    return list(rows.values())


def measured(folder: Path) -> dict[str, Any]:
    """Return what the last run of everything wrote."""
    found: dict[str, Any] = json.loads((folder / JSON).read_text())
    return found


def write(folder: Path, found: dict[str, Any], scenarios: Iterable[Scenario]) -> None:
    """Write the JSON, and the same between the markers of the prose."""
    (folder / JSON).write_text(json.dumps(found, indent=1) + "\n")
    put_between(folder / "reliability.md", (BEGIN, END), _markdown(found, scenarios))


def put_between(page: Path, markers: tuple[str, str], text: str) -> None:
    """Replace the text between two markers of a page."""
    begin, end = markers
    before, found, rest = page.read_text().partition(begin)
    assert found, f"{page} has no {begin}"
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


def _markdown(found: dict[str, Any], scenarios: Iterable[Scenario]) -> str:
    rows: list[Entry] = found["cells"]
    broken = [
        f"- {' / '.join(row[name] for name in KEY)}: {problem}"
        for row in rows
        for problem in row["broken"]
    ]
    told = [
        (
            f"{len(rows)} cells in {found['minutes']:.0f} minutes on {found['machine']}; "
            f"{found['isolation']}; seed {found['seed']}; {found['date']}. "
            f"Run again afterwards (`--merge`): {found['again']} cells."
        ),
        *(f"- {text}" for text in found["skipped"]),
        "",
        "These promises were broken:" if broken else "No promise was broken.",
        "",
        *broken,
        "",
        "| scenario | what happens |",
        "|---|---|",
        *(f"| {it.name} | {it.says} |" for it in scenarios),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *("| " + " | ".join(cells(row)) + " |" for row in rows),
    ]
    return "\n".join(told)
