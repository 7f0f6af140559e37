"""Compares figures with the budgets of the design: rows of a table, pure.

results of the parts --rows()--> Row: what, budget, measured, reference, ratio, met
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from performance_parts.stats import at, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Results = Mapping[str, Any]

ENVELOPES = ("1769 MB", "512 MB", "128 MB")
MOMENTS = {"idle": (28, 18), "collected": (35, 25), "flushing": (80, 45)}
"""Budgets of resident memory in MB: in total, and anonymous."""

MOMENT_NAMES = {
    "idle": "resident, idle",
    "collected": "resident after 50 000 events",
    "flushing": "resident at the peak of flushes with commits",
}
BASELINE_MOMENTS = {
    "idle": "baseline idle",
    "collected": "baseline collected",
    "flushing": "baseline forwarding",
}
FIRST_FLUSH_MS = {"512 MB": 600, "128 MB": 2_500}
REQUESTS = {"s3": 1, "inbox": 2, "rest": 5}
MIX_NAMES = {"mix": "the mix", "text": "text", "json": "JSON", "platform": "platform events"}
RETURNED = 0.75
"""Largest ratio of anonymous memory after flushes to that at their peak."""

FLAT = 1.25
"""Largest ratio of the CPU per event in a million to that in the first ten thousand."""


@dataclass(frozen=True)
class Row:
    """One budget.

    Attributes:
        key: its name in the notes.
        what, budget: texts for readers.
        measured, reference: figures in the same order, one for each measured envelope.
        ratio: measured over reference, in the same order; empty if the budget is no ratio.
        met: None if nothing was measured.
    """

    key: str
    what: str
    budget: str
    measured: str
    reference: str
    ratio: str
    met: bool | None


def rows(results: Results) -> list[Row]:
    """Return every budget, measured or not."""
    made: tuple[Callable[[Results], Iterator[Row]], ...] = (
        _start, _memory, _returned, _first_flush, _requests,
        _receiver, _whole_way, _flat, _added, _layer,
    )  # fmt: skip
    return [row for make in made for row in make(results)]


def _start(results: Results) -> Iterator[Row]:
    for key, figure, kind, name, limit in (
        ("start-wall-python", "wall_ms", "python", "bare interpreter", 2.0),
        ("start-wall-baseline", "wall_ms", "baseline", "Node baseline", 0.25),
        ("start-cpu-baseline", "cpu_ms", "baseline", "Node baseline", 0.25),
    ):
        start, what = results.get("start", {}), "wall" if figure == "wall_ms" else "CPU"
        pairs = [
            (at(start, f"{envelope}/layer/{figure}"), at(start, f"{envelope}/{kind}/{figure}"))
            for envelope in ENVELOPES
        ]
        yield _ratio_row(
            key,
            f"spawn to first `next`, {what}",
            f"≤ {limit:g} times {name}",
            pairs,
            limit=limit,
            unit="ms",
        )


def _memory(results: Results) -> Iterator[Row]:
    for moment, (all_mb, anonymous_mb) in MOMENTS.items():
        measured, reference, met = [], [], []
        for envelope in ENVELOPES:
            ours = at(results, f"memory/{envelope}/{moment}")
            theirs = at(results, f"memory/{envelope}/{BASELINE_MOMENTS[moment]}")
            if ours is None:
                continue
            measured.append(_megabytes(ours))
            reference.append(_megabytes(theirs) if theirs else "killed")
            met.append(ours["all_mb"] <= all_mb and ours["anonymous_mb"] <= anonymous_mb)
        yield Row(
            f"memory-{moment}",
            f"{MOMENT_NAMES[moment]}, all / anonymous",
            f"≤ {all_mb} / {anonymous_mb} MB",
            " · ".join(measured),
            " · ".join(reference),
            "",
            all(met) if met else None,
        )


def _returned(results: Results) -> Iterator[Row]:
    found = [at(results, f"memory/{envelope}") or {} for envelope in ENVELOPES]
    pairs = [
        (at(of, "flushed/anonymous_mb"), at(of, "flushing/anonymous_mb")) for of in found if of
    ]
    yield _ratio_row(
        "memory-returned",
        "anonymous a second after the flushes, over the peak",
        f"≤ {RETURNED:g} times",
        pairs,
        limit=RETURNED,
        unit="MB",
    )


def _first_flush(results: Results) -> Iterator[Row]:
    for kind in at(results, "flushes/ms") or ("sqlite", "glue", "rest"):
        if kind in ("file", "s3"):  # these have no commits
            continue
        found = {
            envelope: at(results, f"flushes/ms/{kind}/{envelope}/first/total/wall_ms")
            for envelope in FIRST_FLUSH_MS
        }
        known = {envelope: ms for envelope, ms in found.items() if ms is not None}
        yield Row(
            f"first-flush-{kind}",
            f"first flush of 1 000 events with its commit ({kind}), cold; 512 MB · 128 MB",
            "≤ 0.6 · 2.5 s",
            " · ".join(f"{ms / 1_000:.2f}" for ms in known.values()) + " s" * bool(known),
            "",
            "",
            all(ms <= FIRST_FLUSH_MS[e] for e, ms in known.items()) if known else None,
        )


def _requests(results: Results) -> Iterator[Row]:
    for kind, limit in REQUESTS.items():
        count = at(results, f"flushes/requests/{kind}")
        yield Row(
            f"requests-{kind}",
            f"HTTP requests of a steady flush ({kind})",
            f"≤ {limit}",
            "" if count is None else str(count),
            "",
            "",
            None if count is None else count <= limit,
        )


def _receiver(results: Results) -> Iterator[Row]:
    for size, name in (("full", "500"), ("small", "10")):
        of = at(results, f"receiver/{size}") or {}
        pairs = [(at(of, "layer/events_per_s"), at(of, "baseline/events_per_s"))]
        yield _ratio_row(
            f"receiver-{size}",
            f"events received a second on one core, {name} a delivery",
            "≥ 1.5 times Node baseline",
            pairs,
            limit=1.5,
            more_is_better=True,
        )


def _whole_way(results: Results) -> Iterator[Row]:
    for mix, name in MIX_NAMES.items():
        of = at(results, f"whole_way/{mix}") or {}
        events = max(of, key=int, default="0")
        volume = f", {int(events):,} events" if of else ""
        pairs = [(at(of, f"{events}/layer/cpu_us"), at(of, f"{events}/baseline/cpu_us"))]
        yield _ratio_row(
            f"cpu-per-event-{mix}",
            f"CPU an event, delivery to committed table ({name}{volume})",
            "≤ 1 times forwarding it",
            pairs,
            limit=1.0,
            unit="µs",
        )


def _flat(results: Results) -> Iterator[Row]:
    of = at(results, "whole_way/mix") or {}
    sizes = sorted(of, key=int)
    costs = [at(of, f"{size}/layer/cpu_us") for size in sizes]
    pairs = [(costs[-1], costs[0])] if len(costs) > 1 else []
    yield _ratio_row(
        "flat",
        "CPU an event of the largest volume, over that of the smallest",
        f"≤ {FLAT:g} times",
        pairs,
        limit=FLAT,
        unit="µs",
    )


def _added(results: Results) -> Iterator[Row]:
    cells = at(results, "added/cells") or ()
    for strategy in ("adaptive", "threshold"):
        found = [c for c in cells if c["strategy"] == strategy and c["pace"] == "frequent"]
        slowest = [c for c in found if c["memory_mb"] == 512]
        base = [c for c in cells if c["strategy"] == "baseline" and c["pace"] == "frequent"]
        theirs = [c for c in base if c["memory_mb"] == 512]
        yield Row(
            f"added-{strategy}",
            f"added to an invocation of many ({strategy}), p99, destination 0 · 50 · 500 ms away",
            "≤ 2 ms",
            " · ".join(f"{c['p99']:.1f}" for c in slowest) + " ms" * bool(slowest),
            " · ".join(f"{c['p99']:.1f}" for c in theirs) + " ms" * bool(theirs),
            "",
            all(c["p99"] <= 2 for c in slowest) if slowest else None,
        )


def _layer(results: Results) -> Iterator[Row]:
    for key, figure, limit in (("zip", "zip_mb", 50), ("unpacked", "unpacked_mb", 140)):
        size = at(results, f"weight/layer/{figure}")
        yield Row(
            f"layer-{key}",
            f"layer, {key}",
            f"≤ {limit} MB",
            "" if size is None else f"{size:.1f} MB",
            "",
            "",
            None if size is None else size <= limit,
        )


def _ratio_row(
    key: str,
    what: str,
    budget: str,
    pairs: list[tuple[float | None, float | None]],
    *,
    limit: float,
    unit: str = "",
    more_is_better: bool = False,
) -> Row:
    """Return a row whose budget is a ratio to a reference, in every measured envelope."""
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    ratios = [found for a, b in known if (found := ratio(a, b)) is not None]
    good = [found >= limit if more_is_better else found <= limit for found in ratios]
    tail = f" {unit}".rstrip() * bool(known)
    return Row(
        key,
        what,
        budget,
        " · ".join(number(a) for a, _ in known) + tail,
        " · ".join(number(b) for _, b in known) + tail,
        " · ".join(f"{found:.2f}" for found in ratios),
        all(good) if good else None,
    )


def number(value: float) -> str:
    """Return a number with three digits, or with all digits before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _megabytes(memory: Mapping[str, float]) -> str:
    return f"{memory['all_mb']:.1f} / {memory['anonymous_mb']:.1f}"
