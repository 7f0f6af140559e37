"""The state that the flush jobs share: the queue, the health, the commit schedule, the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.commit_schedule import CommitSchedule
from otlp2parquet_ext.flush.health import DestinationHealth, Work
from otlp2parquet_ext.flush.intake import Intake
from otlp2parquet_ext.flush.plan import STEP_LIMIT_MS, Pending
from otlp2parquet_ext.flush.queue import SegmentQueue
from otlp2parquet_ext.flush.worker import SerialWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.pipeline import FlushPipeline
    from otlp2parquet_ext.lake.destinations.destination import Receipt
    from otlp2parquet_ext.spool import Segment, Spool


class AbandonableJob(Protocol):
    """The part of a job that `FlushState.abandon` needs."""

    def note_abandoned(self, limit_s: int) -> None:
        """Note that the thread's function has not ended for `limit_s`."""

    def start_over(self) -> None:
        """Continue with a new thread."""


class FlushState:
    """The shared state of the flush jobs; used on the loop only.

    Args:
        settings: thresholds, commit interval, and the rule for a full spool.
        pipeline: does the work, on the workers' threads.
        spool: holds the segments.
        plan_again: called when a job of a worker has ended.

    Attributes:
        ending: SHUTDOWN has come.
        step_limit_ms: longest store, commit or redelivery of a batch.
        generation: how often the destinations were reopened; see `CommitJob.start_over`.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: FlushPipeline,
        spool: Spool,
        plan_again: Callable[[], None],
    ) -> None:
        self.pipeline = pipeline
        self.spool = spool
        self.ending = False
        self.step_limit_ms = STEP_LIMIT_MS
        self.generation = 0
        self.queue = SegmentQueue(spool)
        self.health = DestinationHealth()
        self.commits = CommitSchedule(settings.commit_interval_ms)
        self.intake = Intake(spool, self.queue, drops_oldest=settings.spool_full == "oldest")
        self._thresholds = policy.Thresholds(
            settings.max_items, settings.max_bytes, settings.timeout_ms
        )
        self._plan_again = plan_again
        self.workers = {work: SerialWorker(work.value, self._ended(work)) for work in Work}
        self.storing, self.committing, self.redelivering = self.workers.values()

    @property
    def pending(self) -> Pending:
        """The unsafe telemetry, as the plan needs it."""
        now = steady_ms()
        steps = ((work, worker.step_ms(now), worker) for work, worker in self.workers.items())
        return Pending(
            self.intake.buffered,
            self._thresholds,
            self.commits,
            unsealed=not self.intake.empty,
            waiting=self.queue.has_storable(may_abandon=self.storing.may_abandon),
            undelivered=bool(self.redeliverable),
            busy=frozenset(work for work, worker in self.workers.items() if worker.busy),
            ending=self.ending,
            running_ms={w: ms for w, ms, worker in steps if ms is not None and worker.may_abandon},
            step_limit_ms=self.step_limit_ms,
        )

    @property
    def storable(self) -> list[Segment]:
        """See `SegmentQueue.storable`."""
        return self.queue.storable(may_abandon=self.storing.may_abandon)

    @property
    def redeliverable(self) -> list[Segment]:
        """See `SegmentQueue.redeliverable`."""
        return self.queue.redeliverable(may_abandon=self.redelivering.may_abandon)

    async def abandon(self, work: Work, job: AbandonableJob) -> None:
        """Abandon a thread whose function does not end; its segment stays in the spool.

        Requests have their own deadlines, so only a bug, a hanging disk or a library can cause
        this.

        Args:
            work: kind of work of the thread.
            job: is notified before and after.
        """
        worker = self.workers[work]
        if (worker.step_ms(steady_ms()) or 0) < self.step_limit_ms:
            return  # another function has begun since the plan was made
        job.note_abandoned(self.step_limit_ms // 1_000)
        await worker.abandon()
        job.start_over()

    def commit_follows(self, now_ms: int) -> bool:
        """Tell whether a batch stored now is committed at once."""
        may = not self.committing.busy and self.health.may_try(Work.COMMIT, now_ms)
        return may and self.commits.allowed(now_ms)

    def failed(self, work: Work, problem: str) -> None:
        """Note a failure; of several in a row only the first is logged.

        If a freeze broke the job, the destination may be well, so the next job may begin at once.
        """
        if self.workers[work].frozen_meanwhile:
            return
        if self.health.failed(work, steady_ms()):
            log("error", problem)

    def worked(self, work: Work, took_ms: int) -> None:
        """Note a success; log it if it ends a series of failures."""
        if failures := self.health.worked(work, took_ms):
            log("info", f"{work.value} works again after {failures} failures")

    def count_lost(self, segment: Segment, receipt: Receipt) -> None:
        """Count the records that a destination refused for good."""
        for lost in receipt.lost:
            self.intake.lose(*lost)
        if receipt.report_refused:
            self.intake.report_later(segment)
        elif not receipt.lost:
            self.intake.report_refused()

    def _ended(self, work: Work) -> Callable[[BaseException | None], None]:
        def ended(error: BaseException | None) -> None:
            if error is not None:
                log("error", f"{work.value} broke: {type(error).__name__}: {quote(error)}")
                self.health.delayed(work, steady_ms())
            self._plan_again()

        return ended
