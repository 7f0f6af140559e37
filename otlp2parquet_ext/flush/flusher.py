"""Batches on their way out: what is sealed, stored, committed, and tried again.

    append() --> due? --> seal --> store --> discard the segment --> commit when its time comes
                                     |
                                     +--> parked --> commit --> discard, if a commit follows

While storing fails nothing is sealed: the open segment grows, retries back off, and the
invocation never waits. While committing fails storing goes on. What a destination lacks that others
have is owed to it: `redelivery.py`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.commit_worker import COMMIT_LIMIT_MS, CommitWorker, describe
from otlp2parquet_ext.flush.dropping import Dropping
from otlp2parquet_ext.flush.failure_signal import FailureSignal
from otlp2parquet_ext.flush.intake import Intake
from otlp2parquet_ext.flush.pacing import CommitSchedule, HoldPolicy
from otlp2parquet_ext.flush.queue import SegmentQueue
from otlp2parquet_ext.flush.recovered import RecoveredSegments
from otlp2parquet_ext.flush.redelivery import Redelivery, somehow
from otlp2parquet_ext.flush.stuck import StuckStores
from otlp2parquet_ext.flush.worker import SerialWorker, now_ms

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.pipeline import FlushPipeline, Receipt
    from otlp2parquet_ext.flush.policy import FlushReason
    from otlp2parquet_ext.spool import FrameKind, Note, Segment, Spool


class Flusher:
    """The spool and the worker that empties it.

    Args:
        settings: thresholds, destination, commit interval.
        flush_side: does the work, on the lanes' threads.
        spool: owned by this object from now on.
        import_ms: how long the agent's own imports took, to guess what a catalog's will.

    Attributes:
        store_cost_ms: what storing a batch lately cost, within bounds.
    """

    def __init__(
        self, settings: Settings, flush_side: FlushPipeline, spool: Spool, import_ms: int
    ) -> None:
        self._spool = spool
        self._thresholds = policy.Thresholds(
            settings.max_items, settings.max_bytes, settings.timeout_ms
        )
        self._flush_side = flush_side
        self._storing = SerialWorker("storing", self._pump)
        self._outbox = SegmentQueue(spool)
        self._stuck = StuckStores(self._storing, self._outbox)
        oldest = settings.spool_full == "oldest"
        self._intake = Intake(spool, self._outbox, flush_side.forget, drops_oldest=oldest)
        self._dropping = Dropping(self._outbox, self._intake)
        self._leftovers = RecoveredSegments(spool, self._outbox, self._intake, self._storing)
        self._holding = HoldPolicy()
        self._alarm = FailureSignal()
        flush_side.troubled = self._alarm.ring
        self._committing = CommitWorker(
            flush_side,
            self._outbox,
            self._holding,
            CommitSchedule(settings.commit_interval_ms),
            storing=self._storing,
            idle=self._pump,
            cost_ms=policy.first_commit_ms(import_ms),
        )
        commits = self._committing.commits
        self._settling = Redelivery(flush_side, self._outbox, self._intake, commits, self._pump)
        self._lanes = (self._storing, self._committing.lane)
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._letting_go: asyncio.Future[None] | None = None
        self.store_cost_ms = policy.FIRST_STORE_MS

    @property
    def in_trouble(self) -> bool:
        """True while no invocation is held: the destination failed, or a hold was in vain."""
        now = now_ms()
        return self._holding.refuses(now) or any(lane.in_trouble(now) for lane in self._lanes)

    @property
    def loaded(self) -> bool:
        """See `FlushPipeline`."""
        return self._flush_side.loaded

    @property
    def more(self) -> bool:
        """True when something came in that is not stored, and may be yet."""
        return not self._intake.empty or self._storing.busy

    def thawed(self) -> None:
        """Note that we were frozen, or may have been: what broke meanwhile is nobody's fault."""
        for lane in (*self._lanes, self._settling.lane):
            lane.thawed(now_ms())
        self._letting_go = asyncio.ensure_future(self._settling.let_go(self._storing))

    async def recover(self) -> None:
        """Take over what dead processes left, and flush it first; the loop goes on meanwhile."""
        if found := await self._leftovers.take_over():
            log("info", f"{found} segments were left by an earlier process; flushing them")
            self._committing.commits.changed()
        self._pump()

    def tell_left(self) -> None:
        """Say what has not arrived; nothing that ends this process from now on is a batch's."""
        self._outbox.put_down()
        self._intake.tell_left()

    def set_context(self, note: Note) -> None:
        """Say where what comes from now on comes from."""
        self._intake.seal()
        self._spool.set_preamble([note])

    def note(self, note: Note) -> None:
        """Keep a fact beside the telemetry it explains."""
        self._spool.note(note)

    def append(self, body: bytes, items: int) -> None:
        """Take one delivery: in the spool when this returns, or counted as lost."""
        self._intake.append(body, items)
        self._pump()

    def offer(self, kind: FrameKind, payload: bytes, items: int) -> str | None:
        """Take an OTLP request: None when it is in the spool, else why it stays the client's."""
        reason = self._intake.offer(kind, payload, items)
        self._pump()
        return reason

    def refused(self, size_bytes: int) -> None:
        """Count a delivery that was too long to be read; how many records it had nobody knows."""
        self._intake.lose("a delivery was longer than is read", 0, size_bytes)

    def preload(self) -> None:
        """Let the storing thread import what a batch needs, before there is one."""
        self._storing.submit(self._flush_side.rehearse, self._flush_side.tidy)

    def warm_up(self, deadline_ms: int) -> None:
        """Let the threads import what a last flush needs while the loop still listens."""
        self._flush_side.wanted = self._flush_side.ends = True
        self._letting_go = asyncio.ensure_future(self._settling.let_go(self._storing))
        self._storing.submit(self._flush_side.warm_up_store)
        if self._committing.may(now_ms(), deadline_ms):
            self._committing.lane.submit(self._flush_side.warm_up_commit)

    async def flush_all(self, reason: FlushReason, deadline_ms: int) -> None:
        """Store everything, then commit if it is time or the last chance; bounded.

        Who is held for it waits no longer than until the first request has failed.
        """
        final = reason is policy.FlushReason.SHUTDOWN
        self._ending |= final
        work = asyncio.ensure_future(self._flush(deadline_ms, final=final))
        try:
            async with asyncio.timeout(max(0, deadline_ms - now_ms()) / 1_000):
                await (work if final else self._alarm.wait_for(work))
        except TimeoutError:  # what is not stored is in the spool, not committed: in the inbox
            self._holding.ended(now_ms(), flushed=False, loaded=self.loaded)
        else:
            self._holding.doubted |= not work.done()
            if work.done():
                self._holding.ended(now_ms(), flushed=True)
        finally:
            work.cancel()

    async def _flush(self, deadline_ms: int, *, final: bool) -> None:
        if final:
            await self._committing.unpark()
        await self._store_all()
        for pause_ms in policy.FINAL_PAUSES_MS if final else ():
            if self._storing.retry.failures == 0:
                break
            await asyncio.sleep(pause_ms / 1_000)
            await self._store_all()
        self._settling.last_try(final=final)
        await self._committing.lane.until_idle()
        if final and self._committing.may(now_ms(), deadline_ms):
            self._committing.begin(deadline_ms)
            await self._committing.lane.until_idle()
        await self._storing.until_idle()
        if final:
            await self._settling.lane.until_idle()

    async def _store_all(self) -> None:
        await self._storing.until_idle()
        self._intake.seal()
        self._storing.begin(self._store_sealed())
        await self._storing.until_idle()

    def _pump(self) -> None:
        """Begin what there is a reason for; look again when time alone makes one."""
        now = now_ms()
        self._intake.settle()
        self._stuck.look(now)
        if self._storing.free(now):
            if self._due(now) is not None:
                self._intake.seal()
            if self._stuck.storable():
                self._storing.begin(self._store_sealed())
        if self._committing.due(now):
            self._committing.begin(now + COMMIT_LIMIT_MS)
        if self._settling.due(now):
            self._settling.begin()
        self._look_again_in(self._next_due_ms(now))

    def _due(self, now: int) -> FlushReason | None:
        if self._ending and not self._intake.empty:
            return policy.FlushReason.SHUTDOWN  # nothing comes later to flush it with
        return policy.due(self._thresholds, self._intake.buffered, now)

    def _next_due_ms(self, now: int) -> int | None:
        """Return in how many ms time alone is a reason; a lane that is busy calls back itself."""
        store_ms = policy.due_in_ms(self._thresholds, self._intake.buffered, now)
        work = (
            (self._storing, 0 if self._stuck.storable() else store_ms),
            (self._committing.lane, self._committing.commits.due_in_ms(now)),
            (self._settling.lane, 0 if self._outbox.owed else None),
        )
        waits = [
            max(due_ms, lane.retry.wait_ms(now))
            for lane, due_ms in work
            if due_ms is not None and not lane.busy
        ]
        if (stuck_ms := self._stuck.due_in_ms(now)) is not None:
            waits.append(stuck_ms)
        return min(waits, default=None)

    def _look_again_in(self, wait_ms: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait_ms is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_ms / 1_000, self._pump)

    async def _store_sealed(self) -> None:
        """Store segments, oldest first, until none is left or one has to wait.

        In the end one that is to blame itself is passed over: the others have no later chance.
        """
        self._flush_side.wanted = True
        passed_over: set[Segment] = set()
        while True:
            segment = next((s for s in self._stuck.storable() if s not in passed_over), None)
            if self._leftovers.go_ahead_of(segment) and await self._leftovers.take_over():
                continue
            if segment is None:
                break
            if self._dropping.crashed(segment) or await self._store(segment):
                continue
            if not (self._ending and self._outbox.is_to_blame(segment)):
                break
            passed_over.add(segment)

    async def _store(self, segment: Segment) -> bool:
        """Store one segment; True when it is out of the queue."""
        started = now_ms()
        self._outbox.in_hand = segment
        try:
            follows = not self._ending and self._committing.follows(started)
            store = partial(self._flush_side.store, segment, commit_follows=follows)
            as_text = self._outbox.as_text(segment)
            receipt = await somehow(self._storing, store, segment.size_bytes, as_text=as_text)
        except Exception as error:  # noqa: BLE001 - one batch may not block all others for ever
            if self._dropping.failed(segment, error, ending=self._ending):
                return True
            self._kept(segment, error)
            return False
        finally:
            self._outbox.in_hand = None
        self._stored(segment, receipt, now_ms() - started)
        return True

    def _stored(self, segment: Segment, receipt: Receipt, took_ms: int) -> None:
        self.store_cost_ms = policy.store_cost_ms(took_ms)
        self._settling.note(segment, receipt)
        if not receipt.safe:
            self._outbox.parked[segment] = now_ms()
        elif not receipt.owed:
            self._outbox.discard(segment)
        self._committing.commits.changed()
        self._storing.worked()
        self._holding.worked(took_ms)
        self._storing.submit(self._flush_side.tidy)
        if receipt.damaged_bytes:
            self._intake.lose("the spool was damaged", 0, receipt.damaged_bytes)

    def _kept(self, segment: Segment, error: Exception) -> None:
        problem = f"{segment.size_bytes} bytes of telemetry are kept for later: {describe(error)}"
        self._storing.failed(problem, now_ms())
