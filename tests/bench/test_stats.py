"""Numbers about numbers."""

from __future__ import annotations

import statistics
from itertools import count

import pytest
from performance_parts import stats


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (1.0, 10)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    """Nearest rank: between ten invocations there is nothing to interpolate."""
    assert stats.quantile([*range(10, 0, -1)], share) == expected


def test_a_quantile_of_nothing_is_an_error() -> None:
    """Zero would look like the best of all results."""
    with pytest.raises(statistics.StatisticsError):
        stats.quantile([], 0.5)


def test_kinds_are_measured_in_turn_and_warm_rounds_do_not_count() -> None:
    """A slow moment of the machine then affects all of them."""
    order: list[str] = []
    clock = count()

    def measuring(kind: str) -> dict[str, float]:
        order.append(kind)
        return {"ms": float(next(clock))}

    kinds = {kind: lambda kind=kind: measuring(kind) for kind in ("a", "b")}
    found = stats.in_turn(kinds, 3, warm=1)
    assert order == ["a", "b"] * 4
    assert found == {"a": {"ms": 4.0}, "b": {"ms": 5.0}}


def test_there_is_no_ratio_to_nothing() -> None:
    """A reference that was not measured, or is 0, leaves the budget open."""
    assert stats.ratio(3.0, 2.0) == 1.5
    assert stats.ratio(None, 2.0) is None
    assert stats.ratio(3.0, None) is None
    assert stats.ratio(3.0, 0.0) is None


def test_a_way_into_results_that_ends_gives_nothing() -> None:
    """A part that failed has no figures, and the page is still written."""
    found = {"a": {"b": {"c": 1}}}
    assert stats.at(found, "a/b/c") == 1
    assert stats.at(found, "a/x/c") is None
    assert stats.at(found, "a/b/c/d") is None
