"""The tables of docs/performance.md; each is "" without measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from performance_parts.budgets import ENVELOPES, MIX_NAMES, number
from performance_parts.stats import at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Results = Mapping[str, Any]

KINDS = {
    "python": "bare interpreter",
    "layer": "extension",
    "node": "bare Node",
    "baseline": "Node baseline",
}
MOMENTS = (
    "idle", "collected", "flushing", "flushed",
    "baseline idle", "baseline collected", "baseline forwarding",
)  # fmt: skip
PHASES = ("import", "read", "map", "encode", "upload", "commit", "rest", "total")
IMPORTS = 12


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; columns of numbers, except the first, are right-aligned."""
    if not lines:
        return ""
    rule = ["---"] + ["---:" if _numeric(c, lines) else "---" for c in range(1, len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def _numeric(column: int, lines: Sequence[Sequence[str]]) -> bool:
    return all(line[column][:1].isdigit() or not line[column] for line in lines)


def start(results: Results) -> str:
    """Return wall and CPU times of every kind in every envelope."""
    found = results.get("start", {})
    lines = []
    for kind, name in KINDS.items():
        cells = [at(found, f"{envelope}/{kind}") for envelope in ENVELOPES]
        lines.append(
            [name, *(f"{c['wall_ms']:.1f} ({c['cpu_ms']:.1f})" if c else "" for c in cells)]
        )
    lines.append(["extension over bare interpreter", *_ratios(found, "python")])
    lines.append(["extension over Node baseline", *_ratios(found, "baseline")])
    return table(["wall ms (CPU ms)", *ENVELOPES], lines) if found else ""


def _ratios(found: Results, kind: str) -> list[str]:
    ratios = []
    for envelope in ENVELOPES:
        ours, theirs = at(found, f"{envelope}/layer"), at(found, f"{envelope}/{kind}")
        both = [ours[f] / theirs[f] for f in ("wall_ms", "cpu_ms")] if ours and theirs else []
        ratios.append(f"{both[0]:.2f} ({both[1]:.2f})" if both else "")
    return ratios


def imports(results: Results) -> str:
    """Return the imports before the first `next` that a bare interpreter does not have."""
    found = results.get("start", {})
    bare = {one["module"] for one in found.get("bare_imports", ())}
    ours = [one for one in found.get("imports", ()) if one["module"] not in bare]
    lines = [[f"`{one['module']}`", f"{one['self_us']:,}"] for one in ours[:IMPORTS]]
    rest = sum(one["self_us"] for one in ours[IMPORTS:])
    lines.append([f"{max(0, len(ours) - IMPORTS)} more", f"{rest:,}"])
    return table(["module", "µs"], lines) if ours else ""


def memory(results: Results) -> str:
    """Return resident memory by moment and envelope."""
    found = results.get("memory", {})
    names = [name for name in (*ENVELOPES, "unlimited") if name in found]
    lines = [
        [moment, *(_memory(at(found, f"{name}/{moment}")) for name in names)] for moment in MOMENTS
    ]
    return table(["", *names], lines) if names else ""


def _memory(of: Mapping[str, float] | None) -> str:
    if not of:
        return ""
    return f"{of['all_mb']:.1f} / {of['anonymous_mb']:.1f} / {of['file_mb']:.1f}"


def receiver(results: Results) -> str:
    """Return throughput and CPU of the receiver."""
    lines = []
    for size in ("full", "small"):
        of = at(results, f"receiver/{size}")
        if not of:
            continue
        delivery = f"{of['delivery']['events']} events, {of['delivery']['bytes'] / 1_000:,.0f} kB"
        for kind in ("layer", "baseline"):
            figures = [number(of[kind]["events_per_s"]), number(of[kind]["cpu_us"])]
            lines.append([delivery, KINDS[kind], *figures])
    return table(["a delivery", "", "events a second", "CPU µs an event"], lines)


def whole_way(results: Results) -> str:
    """Return CPU per event, by mix and volume."""
    lines = []
    for mix, name in MIX_NAMES.items():
        by_size = at(results, f"whole_way/{mix}") or {}
        for size in sorted(by_size, key=int):
            of = by_size[size]
            ours, theirs, duck = (of[kind]["cpu_us"] for kind in ("layer", "baseline", "duckdb"))
            lines.append(
                [name, f"{int(size):,}", number(ours), number(theirs), f"{ours / theirs:.2f}",
                 number(duck), f"{ours / duck:.2f}", number(of["layer"]["events_per_s"])]
            )  # fmt: skip
    head = ["", "events", "extension", "forwarding", "ratio", "DuckDB", "ratio", "events a second"]
    return table(head, lines)


def flushes(results: Results) -> str:
    """Return first and steady flushes, by destination, envelope and phase."""
    lines = []
    for kind, by_envelope in (at(results, "flushes/ms") or {}).items():
        for envelope in by_envelope:
            for flush in ("first", "steady"):
                of = by_envelope[envelope][flush]
                cells = [_wall_and_cpu(of.get(phase)) for phase in PHASES]
                lines.append([f"{kind}, {envelope}, {flush}", *cells])
    return table(["", *PHASES], lines)


def _wall_and_cpu(of: Mapping[str, float] | None) -> str:
    return f"{of['wall_ms']:.0f} ({of['cpu_ms']:.0f})" if of else ""


FEW = 4


def _which(cell: Mapping[str, Any]) -> str:
    """Return which invocations waited, if these are few."""
    numbers = cell["over_2_ms"]
    if len(numbers) > FEW:
        return f"{len(numbers)} of {cell['invocations'] - 1}"
    return ", ".join(f"no. {number}" for number in numbers) or "none"


def added(results: Results) -> str:
    """Return the time added to invocations."""
    lines = [
        [c["strategy"], c["pace"], f"{c['memory_mb']} MB", f"{c['latency_ms']} ms",
         *(f"{c[figure]:.1f}" for figure in ("first", "p50", "p99", "most")), _which(c)]
        for c in at(results, "added/cells") or ()
    ]  # fmt: skip
    head = ["strategy", "pace", "memory", "destination", "first", "p50", "p99", "most", "over 2 ms"]
    return table(head, lines)


def weights(results: Results) -> str:
    """Return bytes per event by size of the batch."""
    lines = [
        [f"{int(batch):,}", number(of["json"]), number(of["gzip_ndjson"]), number(of["parquet"]),
         f"{of['parquet'] / of['gzip_ndjson']:.2f}"]
        for batch, of in (at(results, "weight/bytes") or {}).items()
    ]  # fmt: skip
    head = ["events in a file", "NDJSON, bytes an event", "gzip NDJSON", "Parquet", "ratio"]
    return table(head, lines)


def queries(results: Results) -> str:
    """Return the times of three queries."""
    lines = [
        [question, number(of["gzip_ndjson"]), number(of["parquet"]),
         f"{of['parquet'] / of['gzip_ndjson']:.2f}"]
        for question, of in (at(results, "weight/queries") or {}).items()
    ]  # fmt: skip
    return table(["question", "gzip NDJSON", "Parquet", "ratio"], lines)


TABLES: dict[str, Callable[[Results], str]] = {
    "start": start,
    "imports": imports,
    "memory": memory,
    "receiver": receiver,
    "whole_way": whole_way,
    "flushes": flushes,
    "added": added,
    "bytes": weights,
    "queries": queries,
}
