"""Lines in a picture, without a library: series over one axis of numbers.

chart("title", "x", "y", [Series("direct", [(2, 0.5), (8, 1.9)])])  -->  SVG as text

Both scales are logarithmic, or, with `linear`, both linear and the upright one from 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
STEPS = (1, 2, 5)
TICKS = 6
"""About so many round numbers stand on a linear axis."""


class Series(NamedTuple):
    """One line: its name and its points, in order of x; for a logarithm, greater than 0."""

    name: str
    points: list[tuple[float, float]]
    dashed: bool = False


class Axis:
    """One logarithmic axis: numbers to places on the picture.

    Args:
        values: all that must fit, at least one.
        start, end: where the axis begins and ends, in pixels.
    """

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = math.log10(min(values)) - 0.05
        self._high = math.log10(max(values)) + 0.05
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return where a value lies."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Yield round numbers on the axis: 1, 2, 5 of every power of ten."""
        for power in range(math.floor(self._low) - 1, math.ceil(self._high) + 1):
            for step in STEPS:
                if self._low <= math.log10(step) + power <= self._high:
                    yield step * 10.0**power


class LinearAxis:
    """One linear axis; see `Axis`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, self._high = min(values), max(values)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return where a value lies."""
        share = (value - self._low) / ((self._high - self._low) or 1.0)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Yield the multiples of a round number on the axis."""
        rough = (self._high - self._low) / TICKS or 1.0
        power = 10.0 ** math.floor(math.log10(rough))
        step = next((power * s for s in (*STEPS, 10) if power * s >= rough), power)
        for number in range(math.ceil(self._low / step), math.floor(self._high / step) + 1):
            yield number * step


HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    'font-family="DejaVu Sans, Helvetica, sans-serif" font-size="12">'
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
)


def chart(
    title: str, x_label: str, y_label: str, series: Sequence[Series], *, linear: bool = False
) -> str:
    """Return a picture of the series; those without points are left out."""
    drawn = [one for one in series if one.points]
    x_values = sorted({x for one in drawn for x, _ in one.points})
    y_values = [y for one in drawn for _, y in one.points]
    x_axis: Axis | LinearAxis
    y_axis: Axis | LinearAxis
    if linear:
        x_axis = LinearAxis(x_values, LEFT, WIDTH - RIGHT)
        y_axis = LinearAxis([0.0, *y_values], HEIGHT - BOTTOM, TOP)
        x_values = list(x_axis.ticks())
    else:
        x_axis = Axis(x_values, LEFT, WIDTH - RIGHT)
        y_axis = Axis(y_values, HEIGHT - BOTTOM, TOP)
    parts = [HEAD, _text(LEFT, TOP - 22, title, size=14)]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, anchor="middle"))
    parts.append(_text(LEFT, TOP - 6, y_label, size=11))
    parts += _grid(x_axis, y_axis, x_values)
    for number, one in enumerate(drawn):
        parts += _line(one, number, x_axis, y_axis)
    return "\n".join([*parts, "</svg>\n"])


def _grid(
    x_axis: Axis | LinearAxis, y_axis: Axis | LinearAxis, x_values: Sequence[float]
) -> Iterator[str]:
    for value in x_values:
        x = x_axis.place(value)
        yield _stroke(x, TOP, x, HEIGHT - BOTTOM)
        yield _text(x, HEIGHT - BOTTOM + 16, f"{value:,.10g}", anchor="middle")
    for value in y_axis.ticks():
        y = y_axis.place(value)
        yield _stroke(LEFT, y, WIDTH - RIGHT, y)
        yield _text(LEFT - 6, y + 4, f"{value:,.10g}", anchor="end")


def _line(
    one: Series, number: int, x_axis: Axis | LinearAxis, y_axis: Axis | LinearAxis
) -> Iterator[str]:
    colour = COLOURS[number % len(COLOURS)]
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in one.points]
    style = f'stroke="{colour}" stroke-width="2"' + ' stroke-dasharray="5 4"' * one.dashed
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{way}" fill="none" {style}/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    y = TOP + 10 + 18 * number
    x = WIDTH - RIGHT + 12
    yield f'<line x1="{x}" y1="{y}" x2="{x + 22}" y2="{y}" {style}/>'
    yield _text(x + 28, y + 4, one.name)


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )
