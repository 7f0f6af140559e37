"""Arithmetic of time: never too early and never too late, with any numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common.hold_limits import hold_until_ms
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, LONGEST_RETRY_MS, Retry
from otlp2parquet_ext.flush.commit_schedule import CommitSchedule
from otlp2parquet_ext.flush.policy import (
    LONGEST_SILENCE_MS,
    MARGIN_MS,
    QUIET_MS,
    Buffered,
    FlushReason,
    Thresholds,
    drain_until_ms,
    due,
    due_in_ms,
    wait_for_end_until_ms,
)

times = st.integers(0, 10_000_000)
thresholds = st.builds(
    Thresholds, st.integers(1, 10_000), st.integers(1, 1_000_000), st.integers(0, 100_000)
)
buffered = st.builds(Buffered, st.integers(0, 20_000), st.integers(0, 2_000_000), times)


@given(thresholds, buffered, times)
def test_a_segment_is_due_when_its_timer_says_and_not_a_moment_before(
    limits: Thresholds, waiting: Buffered, now_ms: int
) -> None:
    """A timer that fires early finds no work and fires again; a late one makes data late."""
    wait_ms = due_in_ms(limits, waiting, now_ms)
    reason = due(limits, waiting, now_ms)
    if wait_ms is None:
        assert waiting.items == 0
        assert reason is None
        return
    assert due(limits, waiting, now_ms + wait_ms) is not None
    if reason in (None, FlushReason.AGE):
        assert (wait_ms == 0) == (reason is FlushReason.AGE)
    if reason is None:
        assert due(limits, waiting, now_ms + wait_ms) is FlushReason.AGE
        assert due(limits, waiting, now_ms + wait_ms - 1) is None


@given(thresholds, buffered, times, buffered)
def test_what_is_due_stays_due_while_more_comes_and_time_goes_by(
    limits: Thresholds, waiting: Buffered, age_ms: int, more: Buffered
) -> None:
    """A flush that could not begin at once must not be forgotten."""
    now_ms = waiting.since_ms + age_ms
    if due(limits, waiting, now_ms) is not None:
        items, size_bytes = waiting.items + more.items, waiting.size_bytes + more.size_bytes
        later = Buffered(items, size_bytes, waiting.since_ms)
        assert due(limits, later, now_ms + more.since_ms) is not None


@given(
    report_pending=st.booleans(),
    now_ms=times,
    last_delivery_ms=times,
    deadline_ms=times,
    cost_ms=st.integers(0, 10_000),
    later_ms=times,
)
def test_listening_after_shutdown_leaves_time_to_store_and_never_ends_in_the_past(
    *,
    report_pending: bool,
    now_ms: int,
    last_delivery_ms: int,
    deadline_ms: int,
    cost_ms: int,
    later_ms: int,
) -> None:
    """SIGKILL comes at the deadline. A deadline that has passed means now."""

    def until_ms(
        now_ms: int, last_delivery_ms: int = last_delivery_ms, *, owes: bool = report_pending
    ) -> int:
        return drain_until_ms(
            report_pending=owes,
            now_ms=now_ms,
            last_delivery_ms=last_delivery_ms,
            deadline_ms=deadline_ms,
            store_cost_ms=cost_ms,
        )

    latest_ms = deadline_ms - MARGIN_MS - cost_ms
    found_ms = until_ms(now_ms)
    assert now_ms <= found_ms <= max(now_ms, latest_ms)
    # After that time the answer is "now", and no new wait begins.
    assert until_ms(found_ms) == found_ms
    # Silence never extends the wait, and a missing report never shortens it.
    assert until_ms(now_ms, owes=False) <= max(now_ms, last_delivery_ms + QUIET_MS)
    assert until_ms(now_ms, owes=True) >= until_ms(now_ms, owes=False)
    # A later delivery never shortens the wait.
    assert until_ms(now_ms, last_delivery_ms + later_ms) >= found_ms


@given(times, times, times, times)
def test_the_end_of_an_invocation_is_waited_for_within_its_deadline(
    started_ms: int, deadline_ms: int, last_delivery_ms: int, later_ms: int
) -> None:
    """A late `next` makes the function time out, and every delivery extends the wait."""
    found_ms = wait_for_end_until_ms(started_ms, deadline_ms, last_delivery_ms=last_delivery_ms)
    assert found_ms <= deadline_ms - MARGIN_MS
    assert found_ms <= max(started_ms, last_delivery_ms) + LONGEST_SILENCE_MS
    later = wait_for_end_until_ms(
        started_ms, deadline_ms, last_delivery_ms=last_delivery_ms + later_ms
    )
    assert later >= found_ms


@given(times, st.integers(-10_000, 1_000_000))
def test_a_hold_lies_between_now_and_the_deadline(now_ms: int, left_ms: int) -> None:
    """This holds with any clock of Lambda's deadline."""
    until_ms = hold_until_ms(now_ms, now_ms + left_ms)
    assert now_ms <= until_ms <= max(now_ms, now_ms + left_ms)


@given(st.lists(st.tuples(st.integers(0, 200_000), st.booleans()), max_size=60))
def test_a_destination_in_trouble_is_left_alone_for_longer_and_never_for_long(
    attempts: list[tuple[int, bool]],
) -> None:
    """Pauses double up to a bound. The clock may stand still, or jump, as after a freeze."""
    retry, now_ms, pause_ms = Retry(), 0, 0
    for waited_ms, asks_too_early in attempts:
        retry.failed(now_ms)
        assert retry.waits(now_ms)
        longer_ms = retry.wait_ms(now_ms)
        assert longer_ms == (min(2 * pause_ms, LONGEST_RETRY_MS) or FIRST_RETRY_MS)
        pause_ms = longer_ms
        assert retry.wait_ms(now_ms + longer_ms - 1) == 1
        assert not retry.waits(now_ms + longer_ms)
        now_ms += min(waited_ms, longer_ms - 1) if asks_too_early else longer_ms + waited_ms
        assert retry.waits(now_ms) == asks_too_early
        assert 0 <= retry.wait_ms(now_ms) <= LONGEST_RETRY_MS
    assert retry.failures == len(attempts)


commit_events = st.lists(
    st.tuples(st.sampled_from(["changed", "begun", "done", "wait"]), st.integers(0, 20_000)),
    max_size=40,
)


@given(st.integers(0, 60_000), commit_events)
def test_commits_keep_their_distance_and_forget_no_file(
    interval_ms: int, events: list[tuple[str, int]]
) -> None:
    """There is at most one in an interval, and stored files are due when the interval is over."""
    commits, now_ms, waiting, last_ms = CommitSchedule(interval_ms), 1_000_000, False, 0
    for what, ms in events:
        if what == "changed":
            commits.changed()
            waiting = True
        elif what == "begun" and commits.due(now_ms):
            assert now_ms - last_ms >= interval_ms
            commits.begun()
            waiting = False
        elif what == "done" and not waiting:
            commits.done(now_ms)
            last_ms = now_ms
        else:
            now_ms += ms
        assert commits.uncommitted == waiting
        left_ms = commits.due_in_ms(now_ms)
        assert (left_ms is not None) == waiting
        if left_ms is not None:
            assert commits.due(now_ms + left_ms)
            assert left_ms == 0 or not commits.due(now_ms + left_ms - 1)
        assert commits.allowed(now_ms) == (now_ms >= last_ms + interval_ms)
