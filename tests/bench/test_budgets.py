"""Which budgets are met, missed, or open."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from performance_parts import budgets, page
from results import cell, good, memory


def verdicts(results: dict[str, Any]) -> dict[str, bool | None]:
    """Return each row's verdict by its key."""
    return {row.key: row.met for row in budgets.rows(results)}


def test_results_that_keep_within_everything_meet_everything() -> None:
    """Otherwise a row would read its figure from a place that no part writes."""
    assert set(verdicts(good()).values()) == {True}


def test_nothing_measured_is_nothing_decided() -> None:
    """A missing part is neither a success nor a failure."""
    assert set(verdicts({}).values()) == {None}


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("start/128 MB/python/wall_ms", 7.4, "start-wall-python"),
        ("start/512 MB/layer/cpu_ms", 10.1, "start-cpu-baseline"),
        ("flushes/ms/sqlite/128 MB/first/total/wall_ms", 2_501.0, "first-flush-sqlite"),
        ("flushes/requests/rest", 6, "requests-rest"),
        ("receiver/small/layer/events_per_s", 59_000.0, "receiver-small"),
        ("whole_way/text/1000000/layer/cpu_us", 10.1, "cpu-per-event-text"),
        ("weight/layer/zip_mb", 50.1, "layer-zip"),
    ],
)
def test_one_figure_in_one_envelope_is_enough_to_miss_a_budget(
    path: str, value: float, key: str
) -> None:
    """A budget that is met at full speed only is not met."""
    results = good()
    # Results are made of shared dictionaries: change a copy of those on the way.
    *steps, last = path.split("/")
    inside = results
    for step in steps:
        inside[step] = dict(inside[step])
        inside = inside[step]
    inside[last] = value
    assert verdicts(results)[key] is False
    assert [k for k, met in verdicts(results).items() if met is False] == [key]


def test_anonymous_memory_has_a_budget_of_its_own() -> None:
    """File pages are shared and can be dropped; these cannot."""
    results = good()
    results["memory"]["128 MB"] = results["memory"]["128 MB"] | {
        "idle": memory(27) | {"anonymous_mb": 18.1}
    }
    assert verdicts(results)["memory-idle"] is False


def test_a_volume_that_costs_more_for_each_event_is_told() -> None:
    """A million events must cost a hundred times ten thousand, not more."""
    results = good()
    mix = results["whole_way"]["mix"]
    dear = {**mix["1000000"], "layer": {"cpu_us": 10.01, "events_per_s": 1.0, "bytes": 40.0}}
    results["whole_way"] |= {"mix": {**mix, "1000000": dear}}
    assert verdicts(results)["flat"] is False


def test_a_slow_destination_may_not_add_to_an_invocation() -> None:
    """Two milliseconds, however far away it is."""
    results = good()
    results["added"]["cells"][2] = cell("adaptive", 500, 2.1)
    assert verdicts(results)["added-adaptive"] is False
    assert verdicts(results)["added-threshold"] is True


def test_every_note_explains_a_row_there_is() -> None:
    """A note whose row was renamed would never be shown."""
    notes = tomllib.loads(page.NOTES.read_text())["notes"]
    assert set(notes) <= {row.key for row in budgets.rows({})} | {"first-flush-rest"}


@pytest.mark.parametrize(
    ("value", "text"), [(0.07213, "0.0721"), (12.345, "12.3"), (99.96, "100"), (1234.5, "1,234")]
)
def test_numbers_have_three_digits_or_are_whole(value: float, text: str) -> None:
    """More would pretend to a precision nothing here has."""
    assert budgets.number(value) == text
