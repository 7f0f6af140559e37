"""Medians, quantiles and ratios of figures measured in turn."""

from __future__ import annotations

import json
import statistics
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Figures = dict[str, float]


def median(values: Iterable[float]) -> float:
    """Return the median; StatisticsError without values."""
    return statistics.median(values)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value with at least `share` of all values at or below it (nearest rank).

    Args:
        values: at least one.
        share: above 0, at most 1; 1 gives the largest.
    """
    ordered = sorted(values)
    if not ordered:
        raise statistics.StatisticsError("no values, no quantile")
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def medians(rounds: Sequence[Mapping[str, float]]) -> Figures:
    """Return the median of each figure over rounds with the same figures."""
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


def in_turn(
    kinds: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int, *, warm: int = 1
) -> dict[str, Figures]:
    """Measure kinds in turn, so that a disturbance affects all; return medians of each.

    Args:
        kinds: functions that measure each kind once.
        rounds: number of measurements of each kind.
        warm: earlier rounds that fill caches and do not count.
    """
    found: dict[str, list[Mapping[str, float]]] = {kind: [] for kind in kinds}
    for number in range(warm + rounds):
        for kind, measure in kinds.items():
            figures = measure()
            if number >= warm:
                found[kind].append(figures)
    return {kind: medians(of_kind) for kind, of_kind in found.items()}


def so_far(found: Mapping[str, Any]) -> None:
    """Report a part's figures so far, which are kept if the part fails later."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def ratio(ours: float | None, reference: float | None) -> float | None:
    """Return the ratio to the reference; None if either was not measured, or is 0."""
    return None if ours is None or not reference else ours / reference


def at(found: Any, path: str) -> Any:
    """Return the value at `a/b/c` in nested dictionaries; None if the path does not exist."""
    for step in path.split("/"):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found
