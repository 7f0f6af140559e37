"""When to try again, and when to hold an invocation: numbers in, numbers out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, LONGEST_RETRY_MS, Retry
from otlp2parquet_ext.flush.commit_schedule import CommitSchedule
from otlp2parquet_ext.flush.health import (
    FIRST_TRIAL_MS,
    HOLDS_FOR_IMPORTS,
    LONGEST_TRIAL_MS,
    DestinationHealth,
    Work,
)


def test_retries_back_off_and_have_a_longest_pause() -> None:
    """A destination that is down all night is tried rarely, but never forgotten."""
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
    """A table takes about five commits a second from all writers together."""
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
    """It may be too late for the snapshot of this commit."""
    commits = CommitSchedule(interval_ms=0)
    commits.changed()
    commits.begun()
    commits.changed()
    commits.done(1)
    assert commits.due(1)


HOUR_MS = 3_600_000


@given(st.integers(0, 2 * HOUR_MS), st.integers(0, 40))
def test_a_clock_that_was_set_back_ends_every_wait(back_ms: int, failures: int) -> None:
    """The clock of a restored snapshot is hours late, and no work may wait for the old time."""
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
    """Many environments lose to one at the same moment, and must not all come back at once."""
    failed, postponed = Retry(), Retry()
    for _ in range(failures + 1):
        failed.failed(0)
        postponed.postponed(0, jitter_ms)
    assert postponed.wait_ms(0) == failed.wait_ms(0) + jitter_ms


def test_a_destination_without_history_gets_one_trial_hold() -> None:
    """Without it the first flush of a rare short invocation could never finish."""
    assert DestinationHealth().may_hold(0)


def test_holds_that_time_out_become_rare() -> None:
    """A silent destination costs a hold after a minute, two, four, and then one an hour."""
    health, now_ms, pauses = DestinationHealth(), 0, []
    for _ in range(9):
        health.hold_ended(now_ms, flushed=False)
        pause_ms = health.trial.wait_ms(now_ms)
        assert not health.may_hold(now_ms + pause_ms - 1)
        now_ms += pause_ms
        assert health.may_hold(now_ms)
        pauses.append(pause_ms)
    assert pauses[:3] == [FIRST_TRIAL_MS, 2 * FIRST_TRIAL_MS, 4 * FIRST_TRIAL_MS]
    assert pauses[-1] == LONGEST_TRIAL_MS


def test_only_work_that_would_fit_a_hold_ends_the_distrust() -> None:
    """A destination that takes two seconds each time would bill a second of hold each time."""
    health = DestinationHealth()
    health.hold_ended(0, flushed=False)
    health.worked(Work.STORE, LONGEST_HOLD_MS + 1)
    assert not health.may_hold(1)
    health.worked(Work.STORE, LONGEST_HOLD_MS)
    assert health.may_hold(1)


def test_a_flush_that_ended_in_its_hold_ends_the_distrust() -> None:
    """After the next hold that times out the delay is a minute again, not an hour."""
    health = DestinationHealth()
    for _ in range(9):
        health.hold_ended(0, flushed=False)
    health.hold_ended(0, flushed=True)
    assert health.may_hold(0)
    health.hold_ended(0, flushed=False)
    assert health.trial.wait_ms(0) == FIRST_TRIAL_MS


def test_a_hold_that_our_own_imports_took_says_nothing_of_the_destination() -> None:
    """On a fourteenth of a CPU the first hold is too short for them.

    A freeze then would lose all telemetry. The rule applies twice, because libraries that never
    load must not be waited for again and again.
    """
    health = DestinationHealth()
    for _ in range(HOLDS_FOR_IMPORTS):
        health.hold_ended(1_000, flushed=False, loaded=False)
        assert health.may_hold(1_000)
    health.hold_ended(1_000, flushed=False, loaded=False)
    assert not health.may_hold(1_000)


def test_work_that_fails_holds_no_invocation_and_is_logged_once() -> None:
    """The first failure in a row is logged, and the success that ends them."""
    health = DestinationHealth()
    assert [health.failed(Work.STORE, 0) for _ in range(3)] == [True, False, False]
    assert not health.may_hold(LONGEST_RETRY_MS)  # its delay is over, and it still fails
    assert health.worked(Work.STORE, 1) == 3
    assert health.may_hold(LONGEST_RETRY_MS)


def test_contention_delays_the_next_try_and_is_no_failure() -> None:
    """Other writers were faster. The commit succeeds a little later."""
    health = DestinationHealth()
    health.contended(Work.COMMIT, 0, 7)
    assert health.wait_ms(Work.COMMIT, 0) == FIRST_RETRY_MS + 7
    assert not health.may_hold(0)
    assert health.may_hold(FIRST_RETRY_MS + 7)
    assert health.worked(Work.COMMIT, 1) == 0


def test_a_destination_that_only_lags_behind_costs_no_invocation_its_hold() -> None:
    """Redelivery runs at the same time as other work."""
    health = DestinationHealth()
    health.delayed(Work.REDELIVER, 0)
    assert health.may_hold(0)
