"""The charts of a report, and the texts of their axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.report import scales, words
from otlp2parquet_ext.tools.report.charts import Bar, Chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.report.facts import Bin, Report

ENDED = (("ok", "ended well"), ("logged", "logged an error"), ("failed", "failed"))
ONE = (("ok", "invocations"),)
TICKS_OF_BINS = 4


def over_time(report: Report) -> Chart:
    """Return the chart of invocations over time, by outcome."""
    step, moments = report.step_ms, report.moments
    tick = scales.tick_ms(len(moments) * step)
    bars = tuple(
        Bar(
            f"{scales.moment(m.start_ms)} UTC",
            (m.ok, m.logged, m.failed),
            scales.clock(m.start_ms, tick) if m.start_ms % tick < step else "",
            strong=m.start_ms // tick % 2 == 0,
        )
        for m in moments
    )
    day = scales.moment(moments[0].start_ms)[:10] if moments else ""
    return Chart(
        "over-time",
        "Invocations over time",
        f"Invocations that ended in each {words.span(step)}, by how they ended." if step else "",
        f"Time (UTC), from {day}",
        ENDED,
        bars,
    )


def durations(report: Report) -> Chart:
    """Return the chart of durations."""
    return _times(
        "durations",
        "Duration",
        "How long invocations took; the scale is logarithmic.",
        report.durations,
    )


def inits(report: Report) -> Chart:
    """Return the chart of cold starts' durations."""
    total = report.total
    share = words.percent(total.cold, total.invocations)
    return _times(
        "cold-starts",
        "Cold starts",
        f"How long initialisation took before {words.things(total.cold, 'invocation')} "
        f"({share}); the scale is logarithmic.",
        report.inits,
    )


def memory(report: Report) -> Chart:
    """Return the chart of memory use."""
    bins = {round(b.high): b.number for b in report.memory}
    bars = tuple(
        Bar(
            f"{high - 10} % to {high} % used",
            (bins.get(high, 0),),
            f"{high - 10} %" if high % 20 == 10 else "",
        )
        for high in range(10, 101, 10)
    )
    return Chart(
        "memory",
        "Memory headroom",
        "Share of its memory each invocation used; what is right of its bar is headroom.",
        "Memory used",
        ONE,
        bars if report.memory else (),
        end="100 %",
    )


def _times(name: str, title: str, says: str, bins: tuple[Bin, ...]) -> Chart:
    every = max(1, math.ceil(len(bins) / TICKS_OF_BINS))
    bars = tuple(
        Bar(_between(b), (b.number,), words.bound(b.low) if n % every == 0 else "")
        for n, b in enumerate(bins)
    )
    end = _end(bins) if len(bins) % every in (0, every - 1) else ""
    return Chart(name, title, says, "Duration", ONE, bars, end=end)


def _between(b: Bin) -> str:
    if math.isinf(b.high):
        return f"more than {words.bound(b.low)}"
    return f"{words.bound(b.low)} to {words.bound(b.high)}"


def _end(bins: tuple[Bin, ...]) -> str:
    return words.bound(bins[-1].high) if bins and not math.isinf(bins[-1].high) else ""


ALL: tuple[Callable[[Report], Chart], ...] = (durations, memory, inits)
"""The charts side by side below the first."""
