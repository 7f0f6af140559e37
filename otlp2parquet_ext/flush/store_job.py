"""The store job: it makes sealed segments durable, oldest first, until none is left or one fails.

next_to_store() --> normal, or as text, or dropped and counted (attempts.py)
stored  --> queue, health, schedule
failed  --> kept for later; a segment that breaks our own code `BUG_ATTEMPTS` times is dropped
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.flush import policy
from otlp2parquet_ext.flush.attempts import DROPPED_AFTER, Handling
from otlp2parquet_ext.flush.errors import TRANSIENT, error_text, run_with_text_fallback
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.spool.recovery import RECOVERED

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.flush_state import FlushState
    from otlp2parquet_ext.flush.intake import Intake
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.lake.destinations.destination import Receipt
    from otlp2parquet_ext.spool import Segment

BUG_ATTEMPTS = 3
"""Attempts before a batch that cannot be stored even as text is dropped, so that it blocks no
other."""

CRASHED = f"the process ended each of {DROPPED_AFTER} times while it was stored"


class StoreJob:
    """Stores sealed segments, and recovers those of dead processes.

    Args:
        shared: the queue, the health and the workers.
    """

    def __init__(self, shared: FlushState) -> None:
        self._shared = shared
        self._queue, self._intake = shared.queue, shared.intake
        self.cost_ms = policy.FIRST_STORE_MS

    async def run(self) -> None:
        """Store segments until none is left, or one fails.

        During SHUTDOWN it skips a segment that may itself cause the failure, because the others
        have no later chance.
        """
        self._shared.pipeline.wanted = True
        passed_over: set[Segment] = set()
        while True:
            waiting = (s for s in self._shared.storable if s not in passed_over)
            segment = next(waiting, None)
            if self._recovers_first(segment) and await self.recover():
                continue
            if segment is None:
                return
            if drop_crashed(self._intake, self._queue, segment) or await self._store(segment):
                continue
            if not (self._shared.ending and self._queue.is_suspect(segment)):
                return
            passed_over.add(segment)

    def _recovers_first(self, segment: Segment | None) -> bool:
        """Tell whether dead processes' segments are recovered before this one is stored.

        A suspicious segment also waits for segments that are not found yet, while descriptors are
        free.
        """
        spool = self._shared.spool
        if not spool.left_more:
            return False
        if segment is None:
            return True
        return self._queue.handling(segment).suspicious and len(spool.sealed) < RECOVERED

    async def recover(self) -> int:
        """Recover the next part of dead processes' segments; return how many."""
        while True:
            try:
                found = await self._shared.storing.on_thread(self._shared.spool.find_left)
            except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
                log("error", f"what an earlier process left stays there: {quote(repr(error))}")
                return 0
            adopted = self._intake.adopt(found)
            if adopted or not found.more:
                return adopted

    def note_abandoned(self, limit_s: int) -> None:
        """Note that a store does not end, so its segment is kept and stored after all others.

        The segment's file name counts it, so the next process stores the others first, too.
        """
        segment = self._queue.storing
        if segment is None or not self._shared.storing.job_runs:
            return  # the segment waits for another function on the thread
        log(
            "error",
            f"storing {segment.size_bytes} bytes of telemetry has not ended for {limit_s} s: they "
            "are kept, and tried again after all others",
        )
        self._queue.store_abandoned(segment)
        segment.note_unfinished()

    def start_over(self) -> None:
        """See `AbandonableJob`; the plan begins the waiting work."""

    async def _store(self, segment: Segment) -> bool:
        """Store one segment; True if it is stored or dropped."""
        shared, started = self._shared, steady_ms()
        generation = shared.generation
        self._queue.store_begins(segment)
        try:
            store = partial(
                shared.pipeline.store,
                segment,
                commit_follows=not shared.ending and shared.commit_follows(started),
                behind=self._queue.behind,
            )
            receipt = await run_with_text_fallback(
                shared.storing, store, segment.size_bytes, as_text=self._queue.as_text(segment)
            )
        except asyncio.CancelledError:  # the job is abandoned
            self._queue.store_failed(segment)
            raise
        except Exception as error:  # noqa: BLE001 - one batch may not block all others for ever
            self._queue.store_failed(segment)
            return self._failed(segment, error)
        if not receipt.safe and generation != shared.generation:
            self._queue.store_failed(segment)  # the new destinations do not know it
            return True
        self._stored(segment, receipt, steady_ms() - started)
        return True

    def _stored(self, segment: Segment, receipt: Receipt, took_ms: int) -> None:
        shared, now = self._shared, steady_ms()
        self.cost_ms = policy.store_cost_ms(took_ms)
        shared.count_lost(segment, receipt)
        if receipt.undelivered and not self._queue.behind:
            shared.health.delayed(Work.REDELIVER, now)  # it failed a moment ago
        self._queue.stored(
            segment, receipt.batch, receipt.undelivered, safe=receipt.safe, now_ms=now
        )
        self._intake.discard()
        shared.commits.changed()
        shared.worked(Work.STORE, took_ms)
        shared.storing.submit(shared.pipeline.tidy)
        if receipt.damaged_bytes:
            self._intake.lose("the spool was damaged", 0, receipt.damaged_bytes)

    def _failed(self, segment: Segment, error: Exception) -> bool:
        """Keep a segment for later; True if it is dropped instead, because it breaks our code."""
        if isinstance(error, MemoryError):
            self._queue.memory_was_short(segment)
        if not isinstance(error, TRANSIENT):
            attempts = self._queue.bug(segment)
            if attempts >= BUG_ATTEMPTS and not self._shared.ending:
                problem = f"cannot be mapped: {error_text(error)}"
                log("error", f"{segment.size_bytes} bytes of telemetry are lost: {problem}")
                self._intake.lose(problem, segment.items, segment.size_bytes)
                self._queue.dropped(segment)
                self._intake.discard()
                return True
        kept = f"{segment.size_bytes} bytes of telemetry are kept for later: {error_text(error)}"
        self._shared.failed(Work.STORE, kept)
        return False


def drop_crashed(intake: Intake, queue: SegmentQueue, segment: Segment) -> bool:
    """Drop and count a segment after too many crashes; True if it was dropped."""
    handling = queue.handling(segment)
    if not handling.dropped:
        return False
    log("error", f"{segment.size_bytes} bytes of telemetry are lost: {CRASHED}")
    intake.drop(segment, CRASHED, read=handling is Handling.DROP)
    return True
