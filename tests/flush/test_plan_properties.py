"""From any history the plan forgets nothing, stores nothing twice at once, sleeps on no work due.

A machine made of the plan, the queue and the health carries out what is planned, without a thread,
a socket or a clock: time is a number, and each job ends as the history says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from otlp2parquet_ext.flush.commit_schedule import CommitSchedule
from otlp2parquet_ext.flush.health import DestinationHealth, Work
from otlp2parquet_ext.flush.plan import FlushAction, Pending, plan
from otlp2parquet_ext.flush.policy import Buffered, Thresholds
from otlp2parquet_ext.flush.queue import SegmentQueue
from otlp2parquet_ext.flush.segment_state import Stage
from otlp2parquet_ext.spool import Segment
from otlp2parquet_ext.spool.crashes import Crashes

THRESHOLDS = Thresholds(3, 1_000, 1_000)
NAMES = ("lake", "tap")


class NumberedSegment(Segment):
    """A sealed segment without bytes: the queue reads only the counts in its file name."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.crashes = Crashes()


@dataclass
class ListedSegments:
    """The list that the queue reads."""

    sealed: list[Segment] = field(default_factory=list)


def number_of(segment: Segment) -> int:
    """Return the number of a segment."""
    assert isinstance(segment, NumberedSegment)
    return segment.number


class PlanMachine(RuleBasedStateMachine):
    """The machine that the module describes."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_773_480_000_000
        self.spool = ListedSegments()
        self.queue = SegmentQueue(self.spool)
        self.health = DestinationHealth()
        self.commits = CommitSchedule(5_000)
        self.open: list[int] = []
        self.busy: dict[Work, Segment | None] = {}
        self.committing: list[Segment] = []
        self.numbers = 0
        self.gone: list[int] = []
        self.ending = False

    def pending(self) -> Pending:
        """Return the state that the plan gets."""
        since_ms = self.open[0] if self.open else 0
        return Pending(
            Buffered(len(self.open), 100 * len(self.open), since_ms),
            THRESHOLDS,
            self.commits,
            unsealed=bool(self.open),
            waiting=bool(self.queue.waiting),
            undelivered=bool(self.queue.undelivered),
            busy=frozenset(self.busy),
            ending=self.ending,
        )

    def carry_out(self) -> None:
        """Carry the plan out."""
        for action in plan(self.pending(), self.health, self.now_ms).actions:
            if action is FlushAction.SEAL:
                self.numbers += 1
                self.spool.sealed.append(NumberedSegment(self.numbers))
                self.open.clear()
            elif action is FlushAction.STORE:
                assert Work.STORE not in self.busy
                segment = self.queue.waiting[0]
                self.queue.store_begins(segment)  # raises when it is stored already
                self.busy[Work.STORE] = segment
            elif action is FlushAction.COMMIT:
                assert Work.COMMIT not in self.busy
                self.commits.begun()
                self.committing = list(self.queue.awaiting_commit)
                self.busy[Work.COMMIT] = None
            elif action is FlushAction.REDELIVER:
                assert Work.REDELIVER not in self.busy
                segment = self.queue.undelivered[0]
                self.queue.redelivery_begins(segment)
                self.busy[Work.REDELIVER] = segment
        self.sweep()

    def sweep(self) -> None:
        """Delete the segments that the queue has discarded."""
        for segment in self.queue.take_discarded():
            self.spool.sealed.remove(segment)
            self.gone.append(number_of(segment))

    @rule()
    def append(self) -> None:
        """An event comes in."""
        self.open.append(self.now_ms)
        self.carry_out()

    @rule(ms=st.integers(-5_000, 400_000))
    def time_goes_by(self, ms: int) -> None:
        """Let the clock go on, jump through a freeze, or be set back."""
        self.now_ms += ms
        self.carry_out()

    @precondition(lambda self: Work.STORE in self.busy)
    @rule(
        outcome=st.sampled_from(["safe", "unsafe", "fails", "breaks", "abandoned"]),
        lacking=st.sets(st.sampled_from(NAMES)),
    )
    def store_ends(self, outcome: str, lacking: set[str]) -> None:
        """Let a store end in any way."""
        self.end_store(outcome, lacking)

    def end_store(self, outcome: str, lacking: set[str]) -> None:
        """End the store under way."""
        segment = self.busy.pop(Work.STORE)
        assert segment is not None
        if outcome in ("safe", "unsafe"):
            self.queue.stored(
                segment,
                f"batch-{number_of(segment)}",
                tuple(sorted(lacking)),
                safe=outcome == "safe",
                now_ms=self.now_ms,
            )
            self.commits.changed()
            self.health.worked(Work.STORE, 10)
        else:
            self.queue.store_failed(segment)
            if outcome == "fails":
                self.health.failed(Work.STORE, self.now_ms)
            elif outcome == "breaks" and self.queue.bug(segment) > 2:
                self.queue.dropped(segment)
        self.sweep()
        self.carry_out()

    @precondition(lambda self: Work.COMMIT in self.busy)
    @rule(outcome=st.sampled_from(["lands", "fails", "contended"]))
    def commit_ends(self, outcome: str) -> None:
        """Let a commit end in any way."""
        self.end_commit(outcome)

    def end_commit(self, outcome: str) -> None:
        """End the commit under way."""
        del self.busy[Work.COMMIT]
        if outcome == "lands":
            self.commits.done(self.now_ms)
            self.health.worked(Work.COMMIT, 10)
            self.queue.committed(self.committing)
        else:
            self.commits.changed()
            if outcome == "fails":
                self.health.failed(Work.COMMIT, self.now_ms)
            else:
                self.health.contended(Work.COMMIT, self.now_ms, 3)
        self.queue.requeue_unreferenced(self.now_ms)
        self.sweep()
        self.carry_out()

    @precondition(lambda self: self.busy.get(Work.REDELIVER) is not None)
    @rule(lacking=st.none() | st.sets(st.sampled_from(NAMES)))
    def redelivery_ends(self, lacking: set[str] | None) -> None:
        """Let a redelivery end in any way."""
        self.end_redelivery(lacking)

    def end_redelivery(self, lacking: set[str] | None) -> None:
        """End the redelivery under way; None: it failed."""
        segment = self.busy.pop(Work.REDELIVER)
        assert segment is not None
        undelivered = None if lacking is None else tuple(sorted(lacking))
        self.queue.redelivery_ended(segment, undelivered)
        if lacking == set():
            self.health.worked(Work.REDELIVER, 0)
        else:
            self.health.delayed(Work.REDELIVER, self.now_ms)
        self.sweep()
        self.carry_out()

    @rule()
    def shut_down(self) -> None:
        """SHUTDOWN comes."""
        self.ending = True
        self.carry_out()

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Each sealed segment is in the spool until it is discarded, and discarded once."""
        here = [number_of(segment) for segment in self.spool.sealed]
        assert sorted([*here, *self.gone]) == list(range(1, self.numbers + 1))

    @invariant()
    def at_most_one_segment_is_being_stored(self) -> None:
        """The worker has that segment."""
        storing = [
            segment
            for segment in self.spool.sealed
            if self.queue.state(segment).stage is Stage.STORING
        ]
        assert storing == [s for s in [self.busy.get(Work.STORE)] if s is not None]

    @invariant()
    def it_never_sleeps_with_work_due(self) -> None:
        """Waiting work is under way, or there is a time at which it will be."""
        pending = self.pending()
        actions, wake_ms = plan(pending, self.health, self.now_ms)
        assert not actions or wake_ms != 0
        idle = {work for work in Work if work not in pending.busy}
        waits = {
            Work.STORE: pending.waiting or bool(self.open),
            Work.COMMIT: self.commits.uncommitted,
            Work.REDELIVER: pending.undelivered,
        }
        if any(waits[work] for work in idle):
            assert actions or wake_ms is not None
        if wake_ms is not None and not actions:
            later, _ = plan(pending, self.health, self.now_ms + wake_ms)
            assert later or pending.busy

    def teardown(self) -> None:
        """When everything works again, all remaining segments are stored."""
        self.now_ms += 3_600_000
        self.ending = True
        for _ in range(6 * self.numbers + 20):
            self.carry_out()
            if Work.STORE in self.busy:
                self.end_store("safe", set())
            if Work.COMMIT in self.busy:
                self.end_commit("lands")
            if Work.REDELIVER in self.busy:
                self.end_redelivery(set())
            self.now_ms += 120_000
        assert not self.spool.sealed
        assert not self.open


TestPlan = PlanMachine.TestCase
