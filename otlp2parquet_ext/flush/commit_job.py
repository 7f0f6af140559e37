"""The commit job: it makes stored batches visible, and safe if only a commit makes them safe.

commit --> the segments that awaited it are discarded
|
+--> failed, late, contended --> descriptors in the inbox make them safe instead
+--> never ends              --> they are stored again, for a commit on another thread
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, jitter_ms
from otlp2parquet_ext.flush.errors import error_text
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.lake.destinations.destination import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.flush.flush_state import FlushState
    from otlp2parquet_ext.spool import Segment

COMMIT_LIMIT_MS = 30_000
"""Longest commit if no deadline of Lambda is near."""


class CommitJob:
    """Commits stored batches.

    Args:
        shared: the queue, the health and the workers.
        cost_ms: expected duration of the first commit.
    """

    def __init__(self, shared: FlushState, cost_ms: int) -> None:
        self._shared = shared
        self._cost_ms = cost_ms

    def ends_in_time(self, now_ms: int, deadline_ms: int) -> bool:
        """Tell whether a commit would end in time; a late one only takes CPU from storing."""
        return now_ms + self._cost_ms <= deadline_ms

    async def run(self, deadline_ms: int) -> None:
        """Commit the batches that are stored by now."""
        shared, started = self._shared, steady_ms()
        shared.commits.begun()
        generation = shared.generation
        shared.queue.requeue_unreferenced(started)
        awaiting = shared.queue.awaiting_commit
        try:
            await shared.committing.on_thread(shared.pipeline.commit, deadline_ms)
        except asyncio.CancelledError:  # the job is abandoned
            shared.commits.changed()
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            shared.commits.changed()
            if isinstance(error, BusyError):
                shared.health.contended(Work.COMMIT, steady_ms(), jitter_ms(FIRST_RETRY_MS))
            else:
                shared.failed(Work.COMMIT, error_text(error))
            await self.make_safe()
        else:
            shared.commits.done(steady_ms())
            self._cost_ms = steady_ms() - started
            shared.worked(Work.COMMIT, self._cost_ms)
            self._safe(awaiting, generation)

    def _safe(self, awaiting: Iterable[Segment], generation: int) -> None:
        """Discard segments that are safe, unless the destinations were reopened meanwhile.

        The reopened destinations do not know the batches stored before.
        """
        if generation == self._shared.generation:
            self._shared.queue.committed(awaiting)
            self._shared.intake.discard()

    def note_abandoned(self, limit_s: int) -> None:
        """Note that a commit does not end, so its batches are kept for a later commit."""
        log(
            "error",
            f"committing has not ended for {limit_s} s: what is stored is kept, and committed by "
            "a later try",
        )
        self._shared.health.failed(Work.COMMIT, steady_ms())

    def start_over(self) -> None:
        """Reopen the destinations after a commit was abandoned.

        Its thread may hold a lock of the old objects, or change them at any time, so two commits by
        the same objects are not safe. Two commits by different objects are safe, because the
        table's ledger finds the names of files that are committed twice.
        """
        if not self._shared.committing.busy:  # else SHUTDOWN has begun the last commit
            self._shared.committing.begin(self._start_over())

    async def _start_over(self) -> None:
        await self.make_safe()
        self._shared.generation += 1
        self._shared.pipeline.open_anew()
        self._shared.queue.requeue_awaiting()

    async def make_safe(self) -> None:
        """Write descriptors for batches that await a commit; on failure, keep them for the next."""
        shared = self._shared
        if not (awaiting := shared.queue.awaiting_commit):
            return
        generation = shared.generation
        try:
            await shared.storing.on_thread(shared.pipeline.describe)
        except Exception as error:  # noqa: BLE001 - as in `run`
            kept = f"{len(awaiting)} batches are kept for the next commit: {error_text(error)}"
            log("warning", kept)
        else:
            self._safe(awaiting, generation)
