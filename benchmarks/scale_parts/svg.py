"""Draws line charts: series over one axis of numbers.

chart("title", "x", "y", [Series("direct", [(2, 0.5), (8, 1.9)])])  -->  SVG as text

Both scales are logarithmic; with `linear`, both are linear, and the vertical one begins at 0. Equal
series give equal bytes: the picture contains no date, machine name or font of the machine.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_OF_TODAY = {"Creator": None, "Date": None, "Format": None, "Type": None}


class Series(NamedTuple):
    """One line: its name and its points, in order of x; logarithmic scales need values above 0."""

    name: str
    points: list[tuple[float, float]]
    dashed: bool = False


def chart(
    title: str, x_label: str, y_label: str, series: Sequence[Series], *, linear: bool = False
) -> str:
    """Return a picture of the series, without empty ones."""
    style: Any = {
        "svg.hashsalt": "otlp2parquet_ext",
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",  # part of matplotlib
        "axes.titlelocation": "left",
        "axes.grid": True,
        "grid.color": "#dddddd",
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        drawn = [one for one in series if one.points]
        for one in drawn:
            x, y = zip(*one.points, strict=True)
            axes.plot(x, y, "o--" if one.dashed else "o-", markersize=4, label=one.name)
        axes.set_title(title, pad=20)
        axes.text(0, 1.02, y_label, fontsize=9, transform=axes.transAxes)
        axes.set_xlabel(x_label)
        if linear:
            axes.set_ylim(bottom=0)
        else:
            axes.set(xscale="log", yscale="log")
            axes.set_xticks(sorted({x for one in drawn for x, _ in one.points}))
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_minor_locator(NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,.10g}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=NOTHING_OF_TODAY)
    return text.getvalue()
