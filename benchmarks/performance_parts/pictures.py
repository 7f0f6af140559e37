"""The pictures of docs/performance.md, by the names of their files; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scale_parts.svg import Series, chart

from performance_parts.budgets import ENVELOPES
from performance_parts.stats import at

if TYPE_CHECKING:
    from collections.abc import Mapping

    Results = Mapping[str, Any]

MB_PER_VCPU = 1_769
KINDS = {"layer": "extension", "python": "bare Python", "baseline": "Node baseline", "node": "Node"}


def pictures(results: Results) -> dict[str, str]:
    """Return SVGs of the measured figures."""
    made = {"start": _start, "memory": _memory, "events": _events, "bytes": _bytes}
    found = {f"performance-{name}.svg": make(results) for name, make in made.items()}
    return {name: picture for name, picture in found.items() if picture}


def _start(results: Results) -> str:
    start = results.get("start", {})
    series = []
    for kind, name in KINDS.items():
        points = [
            (round(int(envelope.split()[0]) / MB_PER_VCPU, 2), ms)
            for envelope in reversed(ENVELOPES)
            if (ms := at(start, f"{envelope}/{kind}/wall_ms"))
        ]
        series.append(Series(name, points, dashed=kind in ("python", "node")))
    if not any(one.points for one in series):
        return ""
    return chart("Spawn to first next", "vCPUs", "ms", series)


def _memory(results: Results) -> str:
    course = at(results, "memory/course")
    if not course:
        return ""
    series = [
        Series("all", [(s, all_mb) for s, all_mb, _ in course]),
        Series("anonymous", [(s, anonymous) for s, _, anonymous in course]),
    ]
    return chart("Resident while events are flushed", "seconds", "MB", series, linear=True)


def _events(results: Results) -> str:
    series = []
    for mix, by_size in results.get("whole_way", {}).items():
        if mix == "about" or not isinstance(by_size, dict):
            continue
        for kind, name in (("layer", mix), ("baseline", "forwarding"), ("duckdb", "DuckDB")):
            if kind != "layer" and mix != "mix":
                continue
            points = [
                (float(size), us)
                for size in sorted(by_size, key=int)
                if (us := at(by_size, f"{size}/{kind}/cpu_us"))
            ]
            series.append(Series(name, points, dashed=kind != "layer"))
    return chart("CPU an event", "events", "µs", series) if series else ""


def _bytes(results: Results) -> str:
    by_batch = at(results, "weight/bytes")
    if not by_batch:
        return ""
    series = [
        Series(name, [(float(batch), by_batch[batch][figure]) for batch in by_batch])
        for figure, name in (("parquet", "Parquet"), ("gzip_ndjson", "gzip NDJSON"))
    ]
    return chart("Bytes an event", "events in a file", "bytes", series)
