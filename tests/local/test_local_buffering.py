"""When a subscriber's batch closes, and what is dropped when it cannot."""

from __future__ import annotations

from otlp2parquet_ext.tools.local.buffering import Buffer, CloseReason
from otlp2parquet_ext.tools.local.events import PlatformEvent
from otlp2parquet_ext.tools.local.subscription import SubscriptionLimits

LIMITS = SubscriptionLimits(max_items=3, max_bytes=100, timeout_ms=1000)


def event(name: str) -> PlatformEvent:
    """Return some event."""
    return PlatformEvent("2026-01-01T00:00:00.000Z", "function", name)


def test_a_batch_waits_for_the_timeout_of_its_first_event() -> None:
    """A second event does not postpone it."""
    buffer = Buffer(LIMITS)
    buffer.add(event("a"), 10, now_ms=0)
    buffer.add(event("b"), 10, now_ms=900)
    assert buffer.close_reason(999) is None
    assert buffer.due_in_ms(999) == 1
    assert buffer.close_reason(1000) is CloseReason.TIMEOUT
    assert buffer.take() == [event("a"), event("b")]


def test_an_empty_buffer_is_never_due() -> None:
    """Nothing is POSTed when nothing happened."""
    buffer = Buffer(LIMITS)
    assert buffer.close_reason(10_000) is None
    assert buffer.due_in_ms(10_000) is None


def test_items_and_bytes_close_a_batch_at_once() -> None:
    """Whichever limit is reached first."""
    by_items, by_bytes = Buffer(LIMITS), Buffer(LIMITS)
    for name in "abc":
        by_items.add(event(name), 1, now_ms=0)
    by_bytes.add(event("big"), 100, now_ms=0)
    assert by_items.close_reason(0) is CloseReason.ITEMS
    assert by_bytes.close_reason(0) is CloseReason.BYTES


def test_a_batch_is_no_larger_than_the_limits_and_one_event() -> None:
    """The event that reaches maxBytes is included, hence AWS's "up to 2*maxBytes"."""
    buffer = Buffer(LIMITS)
    for name in "abcd":
        buffer.add(event(name), 60, now_ms=0)
    assert buffer.take() == [event("a"), event("b")]
    assert buffer.take() == [event("c"), event("d")]


def test_a_flush_closes_what_waits_and_not_what_comes_later() -> None:
    """The end of a stream is an event, not a mode."""
    buffer = Buffer(LIMITS)
    buffer.flush()
    buffer.add(event("a"), 1, now_ms=0)
    assert buffer.close_reason(0) is None
    buffer.flush()
    assert buffer.close_reason(0) is CloseReason.STREAM_END
    buffer.take()
    buffer.add(event("b"), 1, now_ms=0)
    assert buffer.close_reason(0) is None


def test_events_beyond_the_capacity_are_dropped_and_counted_once() -> None:
    """Dropping without a count would be losing."""
    buffer = Buffer(LIMITS, capacity_bytes=25)
    kept = [buffer.add(event(name), 10, now_ms=0) for name in "abcd"]
    assert kept == [True, True, False, False]
    assert buffer.take_dropped() == (2, 20)
    assert buffer.take_dropped() == (0, 0)


def test_the_notice_of_dropped_events_is_not_dropped_itself() -> None:
    """Otherwise the loss would be unknown."""
    buffer = Buffer(LIMITS, capacity_bytes=10)
    buffer.add(event("a"), 10, now_ms=0)
    buffer.add_notice(event("dropped"), 50, now_ms=0)
    assert buffer.take() == [event("a"), event("dropped")]


def test_half_of_a_buffer_can_be_taken() -> None:
    """The fault switch that races SHUTDOWN sends it in two parts."""
    buffer = Buffer(LIMITS)
    for name in "abc":
        buffer.add(event(name), 1, now_ms=0)
    assert buffer.take(1) == [event("a")]
    assert len(buffer) == 2
