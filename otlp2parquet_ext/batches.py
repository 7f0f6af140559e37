"""Batches on their way out: what is sealed, stored, committed, and tried again.

    append() --> due? --> seal --> store --> discard the segment --> commit when its time comes
                                     |
                                     +--> parked --> commit --> discard, if a commit follows

While storing fails nothing is sealed: the open segment grows, retries back off, and the
invocation never waits. While committing fails storing goes on.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from otlp2parquet_ext import flushing
from otlp2parquet_ext.destinations import BusyError, DestinationError
from otlp2parquet_ext.lane import Lane
from otlp2parquet_ext.losses import Losses
from otlp2parquet_ext.outbox import Outbox
from otlp2parquet_ext.say import say
from otlp2parquet_ext.spool import Dropped

if TYPE_CHECKING:
    from otlp2parquet_ext.flush_side import FlushSide
    from otlp2parquet_ext.flushing import FlushReason
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.spool import Note, Segment, Spool

FLUSH_LIMIT_MS = 30_000
"""What a commit may take when no deadline of Lambda's is near."""

BUG_ATTEMPTS = 3
"""Tries before a batch that breaks our own code is given up, so that it blocks no other."""

FINAL_PAUSES_MS = (100, 200, 400)
"""Before each further try of a last flush: one refused request may not cost what we hold."""


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Batches:
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
        self, settings: Settings, flush_side: FlushSide, spool: Spool, import_ms: int
    ) -> None:
        self._spool = spool
        self._thresholds = flushing.Thresholds(
            settings.max_items, settings.max_bytes, settings.timeout_ms
        )
        self._flush_side = flush_side
        self._storing = Lane("storing", self._pump)
        self._committing = Lane("committing", self._pump)
        self._losses = Losses()
        self._commits = flushing.Commits(settings.commit_interval_ms)
        self._outbox = Outbox(spool)
        self._ending = False
        self._overdue = False  # the last flush did not end in its time
        self._timer: asyncio.TimerHandle | None = None
        self._commit_cost_ms = flushing.first_commit_ms(import_ms)
        self.store_cost_ms = flushing.FIRST_STORE_MS

    @property
    def in_trouble(self) -> bool:
        """True while the destination is in trouble: it failed lately, or is overdue."""
        now = now_ms()
        waits = self._storing.retry.waits(now) or self._committing.retry.waits(now)
        return waits or (self._overdue and (self._storing.busy or self._committing.busy))

    @property
    def more(self) -> bool:
        """True when something came in that is not stored, and may be yet."""
        return self._spool.open is not None or self._storing.busy

    def recover(self) -> None:
        """Take over what a dead process left, and flush it first."""
        found = self._spool.recover()
        if found:
            say("info", f"{found} segments were left by an earlier process; flushing them")
            self._commits.changed()
        self._pump()

    def note(self, note: Note) -> None:
        """Keep a fact beside the telemetry it explains."""
        self._spool.note(note)

    def append(self, body: bytes, items: int) -> None:
        """Take one delivery: in the spool when this returns, or counted as lost."""
        result = self._spool.append(body, time.time_ns() // 1_000, items)
        if isinstance(result, Dropped):
            self._losses.add(result.reason, items, len(body))
        self._pump()

    def refused(self, size_bytes: int) -> None:
        """Count a delivery that was too long to be read; how many records it had nobody knows."""
        self._losses.add("a delivery was longer than is read", 0, size_bytes)

    def warm_up(self, deadline_ms: int) -> None:
        """Let the threads import what a last flush needs while the loop still listens."""
        self._storing.submit(self._flush_side.warm_up_store)
        if self._may_commit(deadline_ms):
            self._committing.submit(self._flush_side.warm_up_commit)

    def _may_commit(self, deadline_ms: int) -> bool:
        """Tell whether a commit would end in time; else it would only take CPU from storing."""
        return now_ms() + self._commit_cost_ms <= deadline_ms

    async def flush_all(self, reason: FlushReason, deadline_ms: int) -> None:
        """Store everything, then commit if it is time or the last chance; bounded."""
        final = reason is flushing.FlushReason.SHUTDOWN
        self._ending = self._ending or final
        try:
            async with asyncio.timeout(max(0, deadline_ms - now_ms()) / 1_000):
                if final:
                    await self._unpark()
                await self._store_all()
                for pause_ms in FINAL_PAUSES_MS if final else ():
                    if self._storing.retry.failures == 0:
                        break
                    await asyncio.sleep(pause_ms / 1_000)
                    await self._store_all()
                await self._committing.until_idle()
                if final and self._may_commit(deadline_ms):
                    self._committing.begin(self._commit(deadline_ms))
                    await self._committing.until_idle()
                await self._storing.until_idle()
        except TimeoutError:
            # What is not stored is in the spool, what is not committed is in the inbox.
            self._overdue = True
        else:
            self._overdue = False

    async def _store_all(self) -> None:
        await self._storing.until_idle()
        self._seal()
        self._storing.begin(self._store_sealed())
        await self._storing.until_idle()

    def _pump(self) -> None:
        """Begin what there is a reason for; look again when time alone makes one."""
        now = now_ms()
        if self._storing.free(now):
            if self._due(now) is not None:
                self._seal()
            if self._outbox.waiting:
                self._storing.begin(self._store_sealed())
        if self._committing.free(now) and self._commits.due(now):
            self._committing.begin(self._commit(now + FLUSH_LIMIT_MS))
        self._look_again_in(self._next_due_ms(now))

    def _due(self, now: int) -> FlushReason | None:
        if self._ending and self._spool.open is not None:
            return flushing.FlushReason.SHUTDOWN  # nothing comes later to flush it with
        return flushing.due(self._thresholds, self._buffered(), now)

    def _next_due_ms(self, now: int) -> int | None:
        """Return in how many ms time alone is a reason; a lane that is busy calls back itself."""
        store_ms = flushing.due_in_ms(self._thresholds, self._buffered(), now)
        work = (
            (self._storing, 0 if self._outbox.waiting else store_ms),
            (self._committing, self._commits.due_in_ms(now)),
        )
        waits = [
            max(due_ms, lane.retry.wait_ms(now))
            for lane, due_ms in work
            if due_ms is not None and not lane.busy
        ]
        return min(waits, default=None)

    def _look_again_in(self, wait_ms: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait_ms is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait_ms / 1_000, self._pump)

    def _buffered(self) -> flushing.Buffered:
        segment = self._spool.open
        if segment is None:
            return flushing.Buffered(0, 0, 0)
        return flushing.Buffered(segment.items, segment.size_bytes, segment.since_us // 1_000)

    def _seal(self) -> None:
        """Close the open segment, with a row for every loss since the last one."""
        if self._losses:
            time_text = datetime.now(UTC).isoformat(timespec="milliseconds")
            body = self._losses.report(time_text.replace("+00:00", "Z"))
            result = self._spool.append(body, time.time_ns() // 1_000, len(self._losses))
            if not isinstance(result, Dropped):
                self._losses.clear()
        self._spool.seal()

    async def _store_sealed(self) -> None:
        """Store segments, oldest first, until none is left or one has to wait.

        In the end one that breaks our own code is passed over: the others have no later chance.
        """
        passed_over = 0
        while len(queue := self._outbox.waiting) > passed_over:
            segment = queue[passed_over]
            if await self._store(segment):
                continue
            if not (self._ending and self._outbox.is_broken(segment)):
                break
            passed_over += 1

    async def _store(self, segment: Segment) -> bool:
        """Store one segment; True when it is out of the queue."""
        started = now_ms()
        follows = not self._ending and self._commits.allowed(started)
        follows = follows and self._committing.free(started)
        try:
            receipt = await self._storing.on_thread(
                self._flush_side.store, segment, commit_follows=follows
            )
        except (DestinationError, ImportError, MemoryError, OSError) as error:
            self._kept(segment, error)  # it may be better in a moment
            return False
        except Exception as error:  # noqa: BLE001 - one batch may not block all others for ever
            return self._broken(segment, error)
        self.store_cost_ms = flushing.store_cost_ms(now_ms() - started)
        if receipt.safe:
            self._outbox.discard(segment)
        else:
            self._outbox.parked.append(segment)
        self._commits.changed()
        self._storing.worked()
        if receipt.damaged_bytes:
            self._losses.add("the spool was damaged", 0, receipt.damaged_bytes)
        return True

    async def _commit(self, deadline_ms: int) -> None:
        self._commits.begun()
        started, parked = now_ms(), list(self._outbox.parked)
        try:
            await self._committing.on_thread(self._flush_side.commit, deadline_ms)
        except BusyError:
            self._commits.changed()
            self._committing.postponed(now_ms())
            await self._unpark()
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            self._commits.changed()
            self._committing.failed(_describe(error), now_ms())
            await self._unpark()
        else:
            self._commits.done(now_ms())
            self._commit_cost_ms = now_ms() - started
            self._committing.worked()
            self._outbox.discard_parked(parked)

    async def _unpark(self) -> None:
        """Make safe what waits for a commit; what cannot be is kept for the next one."""
        if not (parked := list(self._outbox.parked)):
            return
        try:
            await self._storing.on_thread(self._flush_side.describe)
        except Exception as error:  # noqa: BLE001 - as in `_commit`
            say(
                "warning", f"{len(parked)} batches are kept for the next commit: {_describe(error)}"
            )
        else:
            self._outbox.discard_parked(parked)

    def _kept(self, segment: Segment, error: Exception) -> None:
        size = segment.size_bytes
        problem = f"{size} bytes of telemetry are kept for later: {_describe(error)}"
        self._storing.failed(problem, now_ms())

    def _broken(self, segment: Segment, error: Exception) -> bool:
        """Count a failure that is no destination's fault; give the batch up after some tries."""
        if self._outbox.broke(segment) < BUG_ATTEMPTS or self._ending:
            self._kept(segment, error)
            return False
        problem = f"cannot be mapped: {_describe(error)}"
        say("error", f"{segment.size_bytes} bytes of telemetry are lost: {problem}")
        self._losses.add(problem, segment.items, segment.size_bytes)
        self._outbox.discard(segment)
        return True


def _describe(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, DestinationError) else f"{type(error).__name__}: {text}"
