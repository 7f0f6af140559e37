"""When to flush, when to hold, how to divide the shutdown window: numbers in, reasons out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common.hold_limits import (
    deadline_ms_in,
    hold_until_ms,
    invocation_left_ms,
    shutdown_window_ms,
)
from otlp2parquet_ext.flush.policy import (
    MARGIN_MS,
    QUIET_MS,
    Buffered,
    FlushReason,
    Hold,
    Thresholds,
    drain_until_ms,
    due,
    due_in_ms,
    holds,
    wait_for_end_until_ms,
)

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import FlushStrategy

LIMITS = Thresholds(max_items=10, max_bytes=1_000, timeout_ms=500)


@pytest.mark.parametrize(
    ("buffered", "now_ms", "reason"),
    [
        (Buffered(0, 0, 0), 10_000_000, None),
        (Buffered(9, 999, 1_000), 1_499, None),
        (Buffered(10, 1, 1_000), 1_000, FlushReason.ITEMS),
        (Buffered(1, 1_000, 1_000), 1_000, FlushReason.BYTES),
        (Buffered(1, 1, 1_000), 1_500, FlushReason.AGE),
    ],
)
def test_a_segment_is_due_exactly_at_its_limits(
    buffered: Buffered, now_ms: int, reason: FlushReason | None
) -> None:
    """It is not due one below a limit, and an empty segment is never due."""
    assert due(LIMITS, buffered, now_ms) is reason


@given(st.integers(0, 20), st.integers(0, 2_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_waiting_as_long_as_due_in_ms_says_makes_it_due(
    items: int, size_bytes: int, since_ms: int, waited_ms: int
) -> None:
    """One function sets the timer and the other one decides, so they must agree."""
    buffered = Buffered(items, size_bytes, since_ms)
    now_ms = since_ms + waited_ms
    wait_ms = due_in_ms(LIMITS, buffered, now_ms)
    if wait_ms is None:
        assert items == 0
    else:
        assert due(LIMITS, buffered, now_ms + wait_ms) is not None


def test_a_trickle_of_small_deliveries_does_not_postpone_the_flush() -> None:
    """Age counts from the oldest event, not from the latest delivery."""
    assert due(LIMITS, Buffered(5, 50, since_ms=0), 500) is FlushReason.AGE


@pytest.mark.parametrize(
    ("strategy", "gap_ms", "hold"),
    [
        ("end", None, Hold.STRATEGY),
        ("end", 1, Hold.STRATEGY),
        ("threshold", None, None),
        ("threshold", 3_600_000, None),
        ("adaptive", None, Hold.FIRST),
        ("adaptive", 3_600_000, Hold.RARE),
        ("adaptive", 10_000, None),
    ],
)
def test_only_invocations_nobody_would_flush_for_are_held(
    strategy: FlushStrategy, gap_ms: int | None, hold: Hold | None
) -> None:
    """After a rare invocation nothing comes soon. The next one flushes for a frequent one."""
    assert holds(strategy, gap_ms) is hold


@pytest.mark.parametrize(
    ("strategy", "hold"),
    [("adaptive", Hold.LOADING), ("end", Hold.STRATEGY), ("threshold", None)],
)
def test_frequent_invocations_are_held_while_what_stores_batches_is_not_there(
    strategy: FlushStrategy, hold: Hold | None
) -> None:
    """An environment that freezes during its imports can store nothing after SHUTDOWN."""
    assert holds(strategy, 1, loaded=False) is hold


@pytest.mark.parametrize(
    ("deadline_ms", "until_ms"), [(900_000, 1_000), (2_000, 1_000), (600, 300), (0, 0), (-50, 0)]
)
def test_a_hold_ends_well_before_the_function_would_time_out(
    deadline_ms: int, until_ms: int
) -> None:
    """A late `next` makes the function time out, so half of the remaining time is kept."""
    assert hold_until_ms(0, deadline_ms) == until_ms


@pytest.mark.parametrize(
    ("last_delivery_ms", "until_ms"),
    [(0, 2_000), (500, 11_000), (5_000, 15_000), (899_000, 899_900)],
)
def test_the_end_of_an_invocation_is_not_waited_for_through_a_long_silence(
    last_delivery_ms: int, until_ms: int
) -> None:
    """A lost `runtimeDone` costs seconds, not the function's timeout of fifteen minutes."""
    assert wait_for_end_until_ms(1_000, 900_000, last_delivery_ms=last_delivery_ms) == until_ms


@pytest.mark.parametrize(
    ("event", "deadline_ms"),
    [
        (b'{"eventType":"INVOKE","deadlineMs":1760000003000,"requestId":"r"}', 1_760_000_003_000),
        (b'{"deadlineMs": 5 }', 5),
        (b'{"deadlineMs":"soon"}', 0),
        (b'{"eventType":"SHUTDOWN"}', 0),
        (b"", 0),
    ],
)
def test_a_deadline_is_found_without_reading_the_event(event: bytes, deadline_ms: int) -> None:
    """Before the libraries are loaded only the deadline of an event is needed."""
    assert deadline_ms_in(event) == deadline_ms


def drain(report_pending: bool, now_ms: int, last_delivery_ms: int = 0, cost_ms: int = 500) -> int:  # noqa: FBT001
    """Return how long the receiver listens in a window of two seconds."""
    return drain_until_ms(
        report_pending=report_pending,
        now_ms=now_ms,
        last_delivery_ms=last_delivery_ms,
        deadline_ms=2_000,
        store_cost_ms=cost_ms,
    )


def test_after_shutdown_an_owed_report_is_waited_for_as_long_as_the_flush_allows() -> None:
    """The platform's last delivery often follows its SHUTDOWN."""
    assert drain(report_pending=True, now_ms=0) == 2_000 - MARGIN_MS - 500


def test_when_nothing_is_owed_a_short_silence_is_the_end() -> None:
    """Every delivery restarts the silence."""
    assert drain(report_pending=False, now_ms=0) == QUIET_MS
    assert drain(report_pending=False, now_ms=0, last_delivery_ms=300) == 300 + QUIET_MS


def test_a_deadline_in_the_past_means_now() -> None:
    """On a starved CPU SHUTDOWN may be read too late, so the budget is never negative."""
    assert drain(report_pending=True, now_ms=9_000) == 9_000


def test_an_expensive_flush_shortens_the_listening_and_not_itself() -> None:
    """The bodies in the spool are worth more than bodies that may still come."""
    assert drain(report_pending=True, now_ms=0, cost_ms=5_000) == 0


@pytest.mark.parametrize(
    ("left_ms", "window_ms"),
    [(2_000, 2_000), (1_200, 1_200), (500, 500), (499, 2_000), (-1_000, 2_000), (3_000, 2_000)],
)
def test_a_shutdown_leaves_two_seconds_unless_a_little_less_is_plausible(
    left_ms: int, window_ms: int
) -> None:
    """The deadline comes from another machine, and our clock may be ahead or behind."""
    assert shutdown_window_ms(1_000_000, 1_000_000 + left_ms) == window_ms
    assert shutdown_window_ms(1_000_000, 0) == 2_000


@pytest.mark.parametrize(
    ("told_ms", "left_ms"),
    [(3_000, 3_000), (900_000, 900_000), (900_001, 1_000), (0, 1_000), (-5_000, 1_000)],
)
def test_an_invocation_has_the_shortest_timeout_where_its_deadline_cannot_be(
    told_ms: int, left_ms: int
) -> None:
    """Timeouts are at least a second and at most fifteen minutes."""
    assert invocation_left_ms(1_000_000, 1_000_000 + told_ms) == left_ms
