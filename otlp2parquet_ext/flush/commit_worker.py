"""Making visible what is stored: when it is time, and what becomes of it when that fails.

due --> commit --> the segments it was waited for are discarded
           |
           +--> refused, late, others were faster --> described: safe without this commit
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.flush.worker import SerialWorker, now_ms
from otlp2parquet_ext.lake.destinations.destination import BusyError, DestinationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.flush.pacing import CommitSchedule, HoldPolicy
    from otlp2parquet_ext.flush.pipeline import FlushPipeline
    from otlp2parquet_ext.flush.queue import SegmentQueue


COMMIT_LIMIT_MS = 30_000
"""What a commit may take when no deadline of Lambda's is near."""


class CommitWorker:
    """Commits, one at a time, on a lane of their own.

    Args:
        flush_side: commits, on the lane's thread.
        outbox: knows the segments that are only safe with a commit.
        holding: is told how long commits take.
        commits: says when one is due.
        storing: the lane on which descriptors are written.
        idle: called whenever a commit has ended.
        cost_ms: what a commit is taken to cost before the first one.
    """

    def __init__(
        self,
        flush_side: FlushPipeline,
        outbox: SegmentQueue,
        holding: HoldPolicy,
        commits: CommitSchedule,
        *,
        storing: SerialWorker,
        idle: Callable[[], None],
        cost_ms: int,
    ) -> None:
        self._flush_side = flush_side
        self._outbox = outbox
        self._holding = holding
        self._storing = storing
        self._cost_ms = cost_ms
        self.commits = commits
        self.lane = SerialWorker("committing", idle)

    def follows(self, now_ms: int) -> bool:
        """Tell whether what is stored now is committed at once."""
        return self.commits.allowed(now_ms) and self.lane.free(now_ms)

    def due(self, now_ms: int) -> bool:
        """Tell whether a commit is due and may begin."""
        return self.lane.free(now_ms) and self.commits.due(now_ms)

    def may(self, now_ms: int, deadline_ms: int) -> bool:
        """Tell whether a commit would end in time; else it would only take CPU from storing."""
        return now_ms + self._cost_ms <= deadline_ms

    def begin(self, deadline_ms: int) -> None:
        """Begin a commit; the lane is not busy."""
        self.lane.begin(self._commit(deadline_ms))

    async def _commit(self, deadline_ms: int) -> None:
        self.commits.begun()
        started = now_ms()
        self._outbox.doubt(started)
        parked = list(self._outbox.parked)
        try:
            await self.lane.on_thread(self._flush_side.commit, deadline_ms)
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            self.commits.changed()
            if isinstance(error, BusyError):
                self.lane.postponed(now_ms())
            else:
                self.lane.failed(describe(error), now_ms())
            await self.unpark()
        else:
            self.commits.done(now_ms())
            self._cost_ms = now_ms() - started
            self.lane.worked()
            self._holding.worked(self._cost_ms)
            self._outbox.discard_parked(parked)

    async def unpark(self) -> None:
        """Make safe what waits for a commit; what cannot be is kept for the next one."""
        if not (parked := list(self._outbox.parked)):
            return
        try:
            await self._storing.on_thread(self._flush_side.describe)
        except Exception as error:  # noqa: BLE001 - as in `_commit`
            log("warning", f"{len(parked)} batches are kept for the next commit: {describe(error)}")
        else:
            self._outbox.discard_parked(parked)


def describe(error: Exception) -> str:
    """Say what went wrong; an error of ours needs its type, one of a destination says it all."""
    if isinstance(error, DestinationError):
        return str(error)
    return f"{type(error).__name__}: {quote(error)}"
