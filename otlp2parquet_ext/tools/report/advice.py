"""Recommendations, given only if the figures support them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.tools.report import money, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp2parquet_ext.tools.report.facts import Function, Report

ENOUGH = 100
"""Fewest invocations for which a memory maximum or a share of cold starts is meaningful."""
MOST = 8
MOST_OF_ONE_RULE = 3
SIZES_MB = (128, 256, 512, 768, 1_024, 1_536, 1_769, 2_048, 3_008, 4_096, 6_144, 8_192, 10_240)
ROOM = 1.3
"""Least memory of a recommended smaller size, as a multiple of the highest use."""
FULL = 0.9
COLD_SHARE, COLD_COST_MS = 0.05, 500
TAIL = 20


class Advice(NamedTuple):
    """One recommendation: `kind` names it in a word, `weight` orders those of one kind."""

    kind: str
    function: str
    text: str
    weight: float


def advice(report: Report) -> tuple[Advice, ...]:
    """Return at most `MOST` recommendations, by urgency of their kind, then by weight."""
    found: list[Advice] = []
    for rule in RULES:
        given = [a for f in report.functions if (a := rule(f, report)) is not None]
        given.sort(key=lambda a: (-a.weight, a.function))
        found += given[:MOST_OF_ONE_RULE]
    return tuple(found[:MOST])


def _timeouts(f: Function, _: Report) -> Advice | None:
    if not f.timeouts:
        return None
    text = (
        f"{words.things(f.timeouts, 'invocation')} of {words.count(f.invocations)} ended at the "
        f"timeout ({words.duration(f.timeout_ms)}). See what they waited for among the slowest "
        "requests, then shorten that wait or raise the timeout."
    )
    return Advice("Timeouts", f.name, text, f.timeouts)


def _memory_full(f: Function, _: Report) -> Advice | None:
    used, size = f.memory_used, f.memory_size
    if used is None or size is None or f.sizes != 1 or used < FULL * size:
        return None
    larger = next((s for s in SIZES_MB if s >= used * ROOM), None)
    hint = f" {words.megabytes(larger)} would leave room." if larger and larger > size else ""
    text = f"Used {words.megabytes(used)} of {words.megabytes(size)} at its peak.{hint}"
    return Advice("Memory nearly full", f.name, text, used / size)


def _failures(f: Function, report: Report) -> Advice | None:
    mine = next((t for t in report.troubles if t.function == f.name), None)
    if mine is None or (mine.kind, mine.functions) != ("line", 1):
        return None
    if f.errors < 3 or mine.requests * 2 < f.errors:
        return None
    text = (
        f"One message stands behind {words.count(min(mine.requests, f.errors))} of its "
        f"{words.things(f.errors, 'invocation')} that went wrong: start with "
        f"“{words.cut(mine.message, 100)}”."
    )
    return Advice("One cause", f.name, text, mine.requests)


def _memory_oversized(f: Function, report: Report) -> Advice | None:
    used, size = f.memory_used, f.memory_size
    if used is None or size is None or f.sizes != 1 or f.invocations < ENOUGH:
        return None
    fitting = min((s for s in SIZES_MB if s >= used * ROOM), default=size)
    if fitting >= size:
        return None
    share = money.duration_usd(f, report.architecture) * (1 - fitting / size)
    text = (
        f"Never used more than {words.megabytes(used)} of {words.megabytes(size)} in "
        f"{words.things(f.invocations, 'invocation')}: memory could be "
        f"{words.megabytes(fitting)}. CPU shrinks with it, so compare durations; at the same "
        f"duration it would have saved {words.usd(share)} here."
    )
    return Advice("Memory to spare", f.name, text, share)


def _cold(f: Function, _: Report) -> Advice | None:
    if f.invocations < ENOUGH or f.cold < COLD_SHARE * f.invocations or f.init_p50 is None:
        return None
    if f.init_p50 < COLD_COST_MS:
        return None
    text = (
        f"{words.percent(f.cold, f.invocations)} of its invocations wait for a cold start, "
        f"typically {words.duration(f.init_p50)}. Import less at start, or keep environments "
        "(provisioned concurrency, SnapStart)."
    )
    return Advice("Cold starts", f.name, text, f.cold * f.init_p50)


def _tail(f: Function, _: Report) -> Advice | None:
    if f.invocations < ENOUGH or not f.p50 or f.p99 is None or f.p99 < TAIL * f.p50:
        return None
    text = (
        f"One in a hundred takes {words.duration(f.p99)} or more, {f.p99 / f.p50:.0f} times the "
        f"median of {words.duration(f.p50)}: look at its slowest requests."
    )
    return Advice("Long tail", f.name, text, f.p99 * f.invocations)


RULES: tuple[Callable[[Function, Report], Advice | None], ...] = (
    _timeouts,
    _memory_full,
    _failures,
    _memory_oversized,
    _cold,
    _tail,
)


def lost(report: Report) -> Iterator[str]:
    """Yield a sentence for each reason of missing records."""
    for loss in report.losses:
        how_many = words.things(loss.records, "record") if loss.records else "Some records"
        yield f"{how_many} lost: {words.cut(loss.reason, 200) or 'no reason given'}"
