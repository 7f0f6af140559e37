"""When to try again: plain numbers in, milliseconds out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, LONGEST_RETRY_MS, Retry
from otlp2parquet_ext.flush.pacing import (
    FIRST_LENT_MS,
    HOLDS_FOR_IMPORTS,
    LONGEST_LENT_MS,
    CommitSchedule,
    HoldPolicy,
)


def test_retries_back_off_and_have_a_longest_pause() -> None:
    """A destination that is down all night is not hammered, and not forgotten."""
    retry = Retry()
    assert retry.wait_ms(0) == 0
    pauses = []
    for _ in range(40):
        retry.failed(0)
        pauses.append(retry.wait_ms(0))
    assert pauses[:3] == [FIRST_RETRY_MS, 2 * FIRST_RETRY_MS, 4 * FIRST_RETRY_MS]
    assert pauses[-1] == LONGEST_RETRY_MS
    assert retry.failures == 40


def test_commits_are_spaced_and_none_is_due_without_a_file() -> None:
    """A table takes about five commits a second from everyone together."""
    commits = CommitSchedule(interval_ms=5_000)
    assert commits.due_in_ms(100_000) is None
    commits.changed()
    assert commits.due(100_000)
    commits.begun()
    commits.done(100_000)
    assert commits.due_in_ms(100_001) is None
    commits.changed()
    assert commits.due_in_ms(101_000) == 4_000
    assert commits.due(105_000)


def test_what_is_stored_during_a_commit_waits_for_the_next_one() -> None:
    """It may have come too late for the snapshot that is being made."""
    commits = CommitSchedule(interval_ms=0)
    commits.changed()
    commits.begun()
    commits.changed()
    commits.done(1)
    assert commits.due(1)


HOUR_MS = 3_600_000


@given(st.integers(0, 2 * HOUR_MS), st.integers(0, 40))
def test_a_clock_that_was_set_back_ends_every_wait(back_ms: int, failures: int) -> None:
    """A restored snapshot is hours older than it thinks; nothing may wait for the old time."""
    now_ms = 10 * HOUR_MS
    retry, commits = Retry(), CommitSchedule(interval_ms=5_000)
    for _ in range(failures):
        retry.failed(now_ms)
    commits.done(now_ms)
    commits.changed()
    earlier_ms = now_ms - back_ms
    assert retry.wait_ms(earlier_ms) <= LONGEST_RETRY_MS + FIRST_RETRY_MS
    assert commits.due_in_ms(earlier_ms) in range(5_001)
    assert CommitSchedule(0, last_ms=now_ms).allowed(earlier_ms)


@given(st.integers(0, 30), st.integers(0, FIRST_RETRY_MS - 1))
def test_who_loses_a_race_waits_a_little_more_than_who_fails(failures: int, jitter_ms: int) -> None:
    """Many environments lose to one at the same moment; they may not all come back at once."""
    failed, postponed = Retry(), Retry()
    for _ in range(failures + 1):
        failed.failed(0)
        postponed.postponed(0, jitter_ms)
    assert postponed.wait_ms(0) == failed.wait_ms(0) + jitter_ms


def test_a_destination_nobody_has_tried_is_lent_one_hold() -> None:
    """Somebody has to find out; a rare short invocation could not flush otherwise at all."""
    assert not HoldPolicy().refuses(0)


def test_holds_in_vain_become_rare() -> None:
    """A silent destination costs a hold after a minute, two, four, and then one an hour."""
    holding, now_ms, pauses = HoldPolicy(), 0, []
    for _ in range(9):
        holding.ended(now_ms, flushed=False)
        pause_ms = holding.in_vain.wait_ms(now_ms)
        assert holding.refuses(now_ms + pause_ms - 1)
        now_ms += pause_ms
        assert not holding.refuses(now_ms)
        pauses.append(pause_ms)
    assert pauses[:3] == [FIRST_LENT_MS, 2 * FIRST_LENT_MS, 4 * FIRST_LENT_MS]
    assert pauses[-1] == LONGEST_LENT_MS


def test_only_work_that_would_fit_a_hold_ends_the_distrust() -> None:
    """A destination that takes two seconds each time would bill one of them each time."""
    holding = HoldPolicy()
    holding.ended(0, flushed=False)
    holding.worked(LONGEST_HOLD_MS + 1)
    assert holding.refuses(1)
    holding.worked(LONGEST_HOLD_MS)
    assert not holding.refuses(1)


def test_a_flush_that_ended_in_its_hold_ends_the_distrust() -> None:
    """The next one that is in vain waits a minute again, not an hour."""
    holding = HoldPolicy()
    for _ in range(9):
        holding.ended(0, flushed=False)
    holding.ended(0, flushed=True)
    assert not holding.refuses(0)
    holding.ended(0, flushed=False)
    assert holding.in_vain.wait_ms(0) == FIRST_LENT_MS


def test_a_hold_that_our_own_imports_took_says_nothing_of_the_destination() -> None:
    """At a fourteenth of a CPU the first hold is too short for them; who froze then would lose all.

    Twice, for what never gets loaded may not be waited for again and again.
    """
    holding = HoldPolicy()
    for _ in range(HOLDS_FOR_IMPORTS):
        holding.ended(1_000, flushed=False, loaded=False)
        assert not holding.refuses(1_000)
    holding.ended(1_000, flushed=False, loaded=False)
    assert holding.refuses(1_000)
