"""The flusher: carries out the plan for the spool, on the loop and its workers.

    append() --> plan() --> seal, store, commit, redeliver --> plan() again after each job

plan.py and policy.py decide, from the segment queue (queue.py) and the destination's health
(health.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS, steady_ms
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.commit_job import COMMIT_LIMIT_MS, CommitJob
from otlp2parquet_ext.flush.flush_state import FlushState
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.plan import FlushAction, plan
from otlp2parquet_ext.flush.redeliver_job import RedeliverJob
from otlp2parquet_ext.flush.store_job import StoreJob

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.flush_state import AbandonableJob
    from otlp2parquet_ext.flush.pipeline import FlushPipeline
    from otlp2parquet_ext.flush.policy import FlushReason
    from otlp2parquet_ext.spool import FrameKind, Note, Spool


class Flusher:
    """The spool and the workers that empty it.

    Args:
        settings: thresholds, destination, commit interval.
        pipeline: does the work, on the workers' threads.
        spool: owned by this object from now on.
        import_ms: duration of the agent's own imports, to estimate that of a catalog's.
    """

    def __init__(
        self, settings: Settings, pipeline: FlushPipeline, spool: Spool, import_ms: int
    ) -> None:
        self._spool = spool
        self._pipeline = pipeline
        self._state = FlushState(settings, pipeline, spool, self._carry_out_plan)
        self._store_job = StoreJob(self._state)
        self._commit_job = CommitJob(self._state, policy.first_commit_ms(import_ms))
        self._redeliver_job = RedeliverJob(self._state)
        self._timer: asyncio.TimerHandle | None = None
        self._abandoning: set[asyncio.Future[None]] = set()
        self._abandonable: Mapping[FlushAction, tuple[Work, AbandonableJob]] = {
            FlushAction.ABANDON_STORE: (Work.STORE, self._store_job),
            FlushAction.ABANDON_COMMIT: (Work.COMMIT, self._commit_job),
            FlushAction.ABANDON_REDELIVERY: (Work.REDELIVER, self._redeliver_job),
        }

    @property
    def store_cost_ms(self) -> int:
        """Recent duration of a store, within bounds."""
        return self._store_job.cost_ms

    @property
    def may_hold(self) -> bool:
        """True while an invocation may be held: the destination works, and no job is slow."""
        now = steady_ms()
        slow = any(
            self._state.workers[work].busy_ms(now) > LONGEST_HOLD_MS
            for work in (Work.STORE, Work.COMMIT)
        )
        return not slow and self._state.health.may_hold(now)

    @property
    def loaded(self) -> bool:
        """See `FlushPipeline`."""
        return self._pipeline.loaded

    @property
    def unstored(self) -> bool:
        """True while the open segment is not empty or a store is running."""
        return not self._state.intake.empty or self._state.storing.busy

    def thawed(self) -> None:
        """Note that the environment was or may have been frozen.

        Failures meanwhile do not count against the destination.
        """
        for worker in self._state.workers.values():
            worker.thawed(steady_ms())
        self._abandon_stuck_jobs()

    def _abandon_stuck_jobs(self) -> None:
        """Abandon jobs whose requests died in a freeze, so that others can be sent."""
        self._begin_abandoning(self._abandon())

    def _begin_abandoning(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._abandoning.add(task)  # the loop keeps only a weak reference to a task
        task.add_done_callback(self._abandoning.discard)

    async def _abandon(self) -> None:
        await self._state.storing.abandon_stuck_job()
        await self._state.redelivering.abandon_stuck_job()

    async def recover(self) -> None:
        """Recover the segments of dead processes and flush them first; the loop runs meanwhile."""
        if found := await self._store_job.recover():
            log("info", f"{found} segments were left by an earlier process; flushing them")
            self._state.commits.changed()
        self._carry_out_plan()

    def log_unsent(self) -> None:
        """Log the undelivered bytes; an end of this process after that counts as no crash."""
        for segment in self._spool.sealed:
            segment.end_phases()
        self._state.intake.log_unsent()

    def set_context(self, note: Note) -> None:
        """Set the facts about the environment for all later telemetry."""
        self._state.intake.seal()
        self._spool.set_preamble([note])

    def note(self, note: Note) -> None:
        """Store a note with the telemetry that it explains."""
        self._spool.note(note)

    def append(self, body: bytes, items: int) -> None:
        """Put one delivery into the spool, or count it as lost."""
        self._state.intake.append(body, items)
        self._carry_out_plan()

    def offer(self, kind: FrameKind, payload: bytes, items: int) -> str | None:
        """Put an OTLP request into the spool; if that fails, return why: the client keeps it."""
        reason = self._state.intake.offer(kind, payload, items)
        self._carry_out_plan()
        return reason

    def refused(self, size_bytes: int) -> None:
        """Count a delivery that was too long to be read; its records are unknown."""
        self._state.intake.lose("a delivery was longer than is read", 0, size_bytes)

    def preload(self) -> None:
        """Import the libraries of a store on the storing thread, before the first batch."""
        self._state.storing.submit(self._pipeline.rehearse, self._pipeline.tidy)

    def warm_up(self, deadline_ms: int) -> None:
        """Import the libraries of the last flush on the threads, while the loop still listens."""
        self._pipeline.wanted = self._pipeline.ends = True
        self._abandon_stuck_jobs()
        self._state.storing.submit(self._pipeline.warm_up_store)
        if self._commit_job.ends_in_time(steady_ms(), deadline_ms):
            self._state.committing.submit(self._pipeline.warm_up_commit)

    async def flush_all(self, reason: FlushReason, deadline_ms: int) -> None:
        """Store everything, then commit if it is due or the last chance, within the deadline.

        A hold ends as soon as a request fails.
        """
        final = reason is policy.FlushReason.SHUTDOWN
        self._state.ending |= final
        health, watch = self._state.health, self._pipeline.watch
        work = asyncio.ensure_future(self._flush(deadline_ms, final=final))
        try:
            async with asyncio.timeout(max(0, deadline_ms - steady_ms()) / 1_000):
                await (work if final else watch.until_done_or_failed(work))
        except TimeoutError:  # unstored batches stay in the spool, uncommitted ones in the inbox
            health.hold_ended(steady_ms(), flushed=False, loaded=self.loaded)
        else:
            if work.done():
                health.hold_ended(steady_ms(), flushed=True)
            else:
                health.request_failed()
        finally:
            work.cancel()

    async def _flush(self, deadline_ms: int, *, final: bool) -> None:
        state = self._state
        if final:
            await self._commit_job.make_safe()
        await self._store_all()
        for pause_ms in policy.FINAL_PAUSES_MS if final else ():
            if state.health.failures(Work.STORE) == 0:
                break
            await asyncio.sleep(pause_ms / 1_000)
            await self._store_all()
        if final and state.queue.undelivered and not state.redelivering.busy:
            state.redelivering.begin(self._redeliver_job.run())  # the last chance
        await state.committing.until_idle()
        if final and self._commit_job.ends_in_time(steady_ms(), deadline_ms):
            state.committing.begin(self._commit_job.run(deadline_ms))
            await state.committing.until_idle()
        await state.storing.until_idle()
        if final:
            await state.redelivering.until_idle()

    async def _store_all(self) -> None:
        await self._state.storing.until_idle()
        self._state.intake.seal()
        self._state.storing.begin(self._store_job.run())
        await self._state.storing.until_idle()

    def _carry_out_plan(self) -> None:
        """Begin the due actions, and set the timer for the next plan."""
        state, now = self._state, steady_ms()
        state.intake.update_tally()
        for batch in state.queue.take_given_up():
            self._pipeline.forget(batch)
        actions, wake_ms = plan(state.pending, state.health, now)
        for action in actions:
            if action is FlushAction.SEAL:
                state.intake.seal()
            elif action is FlushAction.STORE:
                state.storing.begin(self._store_job.run())
            elif action is FlushAction.COMMIT:
                state.committing.begin(self._commit_job.run(now + COMMIT_LIMIT_MS))
            elif action is FlushAction.REDELIVER:
                state.redelivering.begin(self._redeliver_job.run())
            else:
                self._begin_abandoning(self._state.abandon(*self._abandonable[action]))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_ms is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wake_ms / 1_000, self._carry_out_plan)
