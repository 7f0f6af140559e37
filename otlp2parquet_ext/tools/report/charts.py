"""Bars and ranges: the shapes are SVG that scales, the texts are HTML that does not.

A folded table below each chart has the same figures, for readers who cannot see or point at bars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.tools.report import scales, words
from otlp2parquet_ext.tools.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.tools.report.facts import Function

WIDTH, HEIGHT = 1_000.0, 100.0
GAP = 0.14
"""Share of a bar's width that stays free beside it."""


class Bar(NamedTuple):
    """One place on the axis.

    Attributes:
        name: full name of the place.
        parts: the height of each part, from the bottom.
        tick: text below its left edge; "" for none.
        strong: keep the tick even if there is little room.
    """

    name: str
    parts: tuple[int, ...]
    tick: str = ""
    strong: bool = True


class Chart(NamedTuple):
    """A chart of bars.

    Attributes:
        name: name of its place on the page.
        title, says: its subject, in a few words and in a sentence.
        axis: meaning of the places, with a unit.
        parts: the parts of each bar, as (class, name).
        end: text at the axis' right end.
    """

    name: str
    title: str
    says: str
    axis: str
    parts: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    end: str = ""


def bars(chart: Chart) -> Html:
    """Return a figure; without bars, a figure that says so."""
    head = element(
        "figcaption",
        element("h3", chart.title, id=f"{chart.name}-title"),
        element("p", chart.says, id=f"{chart.name}-says"),
        _legend(chart) if len(chart.parts) > 1 else "",
    )
    if not chart.bars:
        return element("figure", head, element("p", "Nothing to show.", class_="none"))
    highest = max(sum(bar.parts) for bar in chart.bars)
    marks = scales.ticks(highest)
    plot = element(
        "div",
        _shapes(chart, marks),
        *(_height(mark, marks[-1]) for mark in marks),
        element("span", "invocations", class_="unit", aria_hidden="true"),
        *_below(chart),
        class_="plot",
    )
    axis = element("p", chart.axis, class_="axis")
    return element("figure", head, plot, axis, _table(chart), id=chart.name)


def _legend(chart: Chart) -> Html:
    keys = (
        element("li", element("span", class_=f"key {kind}", aria_hidden="true"), name)
        for kind, name in chart.parts
    )
    return element("ul", *keys, class_="legend")


def _shapes(chart: Chart, marks: Sequence[float]) -> Html:
    each = WIDTH / len(chart.bars)
    lines = (
        element("line", x1=0, x2=WIDTH, y1=_y(m, marks[-1]), y2=_y(m, marks[-1]), class_="grid")
        for m in marks
    )
    groups = (
        _bar(chart, bar, (n + GAP / 2) * each, (1 - GAP) * each, marks[-1])
        for n, bar in enumerate(chart.bars)
    )
    return element(
        "svg",
        *lines,
        *groups,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=f"{chart.name}-title {chart.name}-says",
    )


def _bar(chart: Chart, bar: Bar, x: float, width: float, highest: float) -> Html:
    shapes, below = [], 0
    for (kind, _), value in zip(chart.parts, bar.parts, strict=True):
        if value:
            y, bottom = _y(below + value, highest), _y(below, highest)
            # Even a single invocation among thousands stays visible.
            height = max(round(bottom - y, 2), 1.0)
            shapes.append(
                element(
                    "rect",
                    x=round(x, 2),
                    y=round(bottom - height, 2),
                    width=round(width, 2),
                    height=height,
                    class_=kind,
                )
            )
        below += value
    said = ", ".join(
        f"{words.count(value)} {name}"
        for (_, name), value in zip(chart.parts, bar.parts, strict=True)
        if value or len(chart.parts) == 1
    )
    whole = element(
        "rect", x=round(x, 2), y=0, width=round(width, 2), height=HEIGHT, class_="whole"
    )
    return element("g", element("title", f"{bar.name}: {said or 'none'}"), whole, *shapes)


def _y(value: float, highest: float) -> float:
    return round(HEIGHT * (1 - value / highest), 2)


def _height(mark: float, highest: float) -> Html:
    place = f"bottom:{100 * mark / highest:.2f}%"
    return element("span", words.count(mark), class_="y", style=place, aria_hidden="true")


def _below(chart: Chart) -> list[Html]:
    each = 100 / len(chart.bars)
    found = [
        element(
            "span",
            bar.tick,
            class_="x" if bar.strong else "x weak",
            style=f"left:{n * each:.2f}%",
            aria_hidden="true",
        )
        for n, bar in enumerate(chart.bars)
        if bar.tick
    ]
    if chart.end:
        found.append(element("span", chart.end, class_="x", style="left:100%", aria_hidden="true"))
    return found


def _table(chart: Chart) -> Html:
    head = element(
        "tr",
        element("th", chart.axis, scope="col"),
        *(element("th", name, scope="col", class_="n") for _, name in chart.parts),
    )
    rows = (
        element(
            "tr",
            element("th", bar.name, scope="row"),
            *(element("td", words.count(value), class_="n") for value in bar.parts),
        )
        for bar in chart.bars
        if any(bar.parts)
    )
    table = element("table", element("thead", head), element("tbody", *rows))
    box = element("div", table, class_="scroll")
    return element("details", element("summary", "The figures"), box, class_="figures")


def spread(function: Function, low: float, high: float) -> Html:
    """Return a function's durations as a range between `low` and `high` on a logarithmic axis."""
    if function.p50 is None or function.p95 is None or function.p99 is None:
        return Html("")
    p50, p95, p99 = (scales.place(p, low, high) for p in (function.p50, function.p95, function.p99))
    said = (
        f"p50 {words.duration(function.p50)}, p95 {words.duration(function.p95)}, "
        f"p99 {words.duration(function.p99)}"
    )
    shapes = join(
        (
            element("title", said),
            element("line", x1=0, x2=100, y1=8, y2=8, class_="grid"),
            element(
                "rect", x=p50, y=6.5, width=round(max(p99 - p50, 0.5), 2), height=3, class_="range"
            ),
            *(
                element("rect", x=round(p - 0.9, 2), y=y, width=1.8, height=16 - 2 * y, class_=kind)
                for p, y, kind in ((p99, 4, "p99"), (p95, 3, "p95"), (p50, 1, "p50"))
            ),
        )
    )
    return element(
        "svg",
        shapes,
        viewBox="-2 0 104 16",
        class_="spread",
        role="img",
        preserveAspectRatio="none",
        aria_label=said,
    )
