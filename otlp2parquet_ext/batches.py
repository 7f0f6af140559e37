"""Batches on their way out: what is sealed, who flushes it, and when it is tried again.

    append() --> pump: due? --> seal --> store (worker) --> discard --> commit when its time comes

One batch is under way at a time. While a destination is in trouble nothing is sealed: the open
segment grows, retries back off, and the invocation never waits.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from otlp2parquet_ext import flushing
from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.flush_side import FlushSide
from otlp2parquet_ext.losses import Losses
from otlp2parquet_ext.say import say
from otlp2parquet_ext.spool import Dropped

if TYPE_CHECKING:
    from otlp2parquet_ext.flushing import FlushReason
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.spool import Note, Segment, Spool

FLUSH_LIMIT_MS = 30_000
"""No store or commit is begun that may not end within this, whatever the invocation's deadline."""

BUG_ATTEMPTS = 3
"""Tries before a batch that breaks our own code is given up, so that it blocks no other."""


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Batches:
    """The spool and the worker that empties it.

    Args:
        settings: thresholds, destination, commit interval.
        spool: owned by this object from now on.

    Attributes:
        flush_cost_ms: what storing and committing a batch lately cost.
    """

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._spool = spool
        self._thresholds = flushing.Thresholds(
            settings.max_items, settings.max_bytes, settings.timeout_ms
        )
        self._flush_side = FlushSide(settings)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._losses = Losses()
        self._store_retry = flushing.Retry()
        self._commit_retry = flushing.Retry()
        self._commits = flushing.Commits(settings.commit_interval_ms)
        self._bugs: dict[Segment, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.flush_cost_ms = flushing.FIRST_FLUSH_MS

    @property
    def backing_off(self) -> bool:
        """True while a failed destination is left alone."""
        now = now_ms()
        return self._store_retry.waits(now) or self._commit_retry.waits(now)

    @property
    def more(self) -> bool:
        """True when something came in since the last flush began."""
        return self._spool.open is not None

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

    def warm_up(self) -> None:
        """Let the worker import what a flush needs while the loop still listens."""
        self._worker.submit(self._flush_side.warm_up)

    async def flush_all(self, reason: FlushReason, deadline_ms: int) -> None:
        """Flush everything, and commit it if the time suffices; bounded by `deadline_ms`."""
        final = reason is flushing.FlushReason.SHUTDOWN
        try:
            async with asyncio.timeout(max(0, deadline_ms - now_ms()) / 1_000):
                while self._task is not None and not self._task.done():
                    await asyncio.shield(self._task)
                self._seal()
                await asyncio.shield(self._start_flush(deadline_ms, final=final))
        except TimeoutError:
            pass  # what is not stored is in the spool, what is not committed is in the inbox

    def _start_flush(self, deadline_ms: int, *, final: bool) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._flush_sealed(deadline_ms, final=final))
        self._task.add_done_callback(self._finished)
        return self._task

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._store_retry.failed(now_ms())
            say("error", f"flush failed, telemetry is kept: {type(error).__name__}: {error}")
        self._pump()

    def _pump(self) -> None:
        """Start a flush if there is a reason and nobody is at it; else look again in time."""
        if self._task is not None and not self._task.done():
            return
        now = now_ms()
        if not self._store_retry.waits(now) and self._due(now) is not None:
            self._seal()
        if self._may_store(now) or self._may_commit(now):
            self._start_flush(now + FLUSH_LIMIT_MS, final=False)
        else:
            self._look_again_in(self._next_due_ms(now))

    def _may_store(self, now: int) -> bool:
        return bool(self._spool.sealed) and not self._store_retry.waits(now)

    def _may_commit(self, now: int) -> bool:
        return self._commits.due(now) and not self._commit_retry.waits(now)

    def _due(self, now: int) -> FlushReason | None:
        return flushing.due(self._thresholds, self._buffered(), now)

    def _next_due_ms(self, now: int) -> int | None:
        """Return in how many ms there will be something to do; None when only news can tell."""
        store_ms = flushing.due_in_ms(self._thresholds, self._buffered(), now)
        if self._spool.sealed:
            store_ms = 0
        commit_ms = self._commits.due_in_ms(now)
        waits = [
            max(due_ms, retry.wait_ms(now))
            for due_ms, retry in ((store_ms, self._store_retry), (commit_ms, self._commit_retry))
            if due_ms is not None
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

    async def _flush_sealed(self, deadline_ms: int, *, final: bool) -> None:
        started = now_ms()
        while self._spool.sealed and (final or self._may_store(now_ms())):
            if not await self._store(self._spool.sealed[0]):
                break
        if final or self._may_commit(now_ms()):
            await self._commit(deadline_ms)
        self.flush_cost_ms = now_ms() - started

    async def _store(self, segment: Segment) -> bool:
        """Store one segment; True when it is gone from the spool."""
        loop = asyncio.get_running_loop()
        try:
            receipt = await loop.run_in_executor(
                self._worker, lambda: self._flush_side.store(segment.read())
            )
        except DestinationError as error:
            self._kept(segment, error)
            return False
        except Exception as error:  # noqa: BLE001 - one batch may not block all others for ever
            return self._broken(segment, error)
        self._spool.discard(segment)
        self._bugs.pop(segment, None)
        self._commits.changed()
        self._store_retry = _recovered(self._store_retry, "storing")
        if receipt.damaged_bytes:
            self._losses.add("the spool was damaged", 0, receipt.damaged_bytes)
        return True

    async def _commit(self, deadline_ms: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._worker, self._flush_side.commit, deadline_ms)
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            if self._commit_retry.failures == 0:
                say("error", _describe(error))
            self._commit_retry.failed(now_ms())
        else:
            self._commits.done(now_ms())
            self._commit_retry = _recovered(self._commit_retry, "committing")

    def _kept(self, segment: Segment, error: Exception) -> None:
        if self._store_retry.failures == 0:
            size = segment.size_bytes
            say("error", f"{size} bytes of telemetry are kept for later: {_describe(error)}")
        self._store_retry.failed(now_ms())

    def _broken(self, segment: Segment, error: Exception) -> bool:
        """Count a failure that is no destination's fault; give the batch up after some tries."""
        tries = self._bugs[segment] = self._bugs.get(segment, 0) + 1
        if tries < BUG_ATTEMPTS:
            self._kept(segment, error)
            return False
        problem = f"cannot be mapped: {_describe(error)}"
        say("error", f"{segment.size_bytes} bytes of telemetry are lost: {problem}")
        self._losses.add(problem, segment.items, segment.size_bytes)
        self._spool.discard(segment)
        del self._bugs[segment]
        return True


def _describe(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, DestinationError) else f"{type(error).__name__}: {text}"


def _recovered(retry: flushing.Retry, what: str) -> flushing.Retry:
    if retry.failures:
        say("info", f"{what} works again after {retry.failures} failures")
    return flushing.Retry()
