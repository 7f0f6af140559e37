"""Settling what destinations in trouble are owed: on a lane of its own, so that the others go on.

owed --settle--> taken by some     --> owed to fewer
         |   +--> taken by all     --> discarded, once it is committed, too
         +------> taken by nobody  --> left alone for longer each time
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.retry import Retry
from otlp2parquet_ext.flush.queue import Owed
from otlp2parquet_ext.flush.worker import SerialWorker, now_ms
from otlp2parquet_ext.lake.destinations.destination import DestinationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.flush.intake import Intake
    from otlp2parquet_ext.flush.pacing import CommitSchedule
    from otlp2parquet_ext.flush.pipeline import FlushPipeline, Receipt
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.spool import Segment


PASSING = (DestinationError, ImportError, MemoryError, OSError)
"""What may be better in a moment; anything else is a bug of ours."""


async def somehow(
    lane: SerialWorker, work: Callable[..., Receipt], size_bytes: int, *, as_text: bool = False
) -> Receipt:
    """Store or settle a segment on a lane; as text where mapping it breaks our own code.

    Args:
        lane: where.
        work: takes `as_text`.
        size_bytes: of the segment.
        as_text: mapping it ended processes, or took more memory than there was.
    """
    if as_text:
        cause = "ended processes or took more memory than there was"
        log("error", f"{size_bytes} bytes of telemetry are kept as text: mapping them {cause}")
        return await lane.on_thread(work, as_text=True)
    try:
        return await lane.on_thread(work)
    except PASSING:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours costs columns, not telemetry
        problem = (
            f"{size_bytes} bytes of telemetry cannot be mapped, kept as text: {quote(repr(error))}"
        )
        log("error", problem)
        return await lane.on_thread(work, as_text=True)


class Redelivery:
    """Settles, one segment at a time, oldest first.

    Args:
        flush_side: passes segments on, on the lane's thread.
        outbox: knows what is owed.
        intake: counts what is lost.
        commits: a lake that has a batch now has something to commit.
        idle: called whenever a job has ended.
    """

    def __init__(
        self,
        flush_side: FlushPipeline,
        outbox: SegmentQueue,
        intake: Intake,
        commits: CommitSchedule,
        idle: Callable[[], None],
    ) -> None:
        self._flush_side = flush_side
        self._outbox = outbox
        self._intake = intake
        self._commits = commits
        self.lane = SerialWorker("settling", idle)

    def note(self, segment: Segment, receipt: Receipt) -> None:
        """Count what was refused for ever; note what is owed."""
        for lost in receipt.lost:
            self._intake.lose(*lost)
        if receipt.untold:
            self._intake.tell_later(segment)
        elif not receipt.lost:
            self._intake.tell_now()
        if receipt.owed:
            if not self._outbox.owed:
                self.lane.retry.failed(now_ms())  # it was in trouble a moment ago
            self._outbox.owed[segment] = Owed(receipt.batch, receipt.owed)

    async def let_go(self, storing: SerialWorker) -> None:
        """See `SerialWorker.let_go`: of storing, then of settling, for which nobody waits."""
        await storing.let_go()
        await self.lane.let_go()

    def due(self, now_ms: int) -> bool:
        """Tell whether something is owed, and those it is owed to have been left alone enough."""
        return bool(self._outbox.owed) and self.lane.free(now_ms)

    def begin(self) -> None:
        """Begin; the lane is not busy."""
        self.lane.begin(self._settle_all())

    def last_try(self, *, final: bool) -> None:
        """Try once more at the end though it was not yet time: there is no later."""
        if final and self._outbox.owed and not self.lane.busy:
            self.begin()

    async def _settle_all(self) -> None:
        for segment in list(self._outbox.owed):
            if segment in self._outbox.owed and not await self._settle(segment):
                return
        self.lane.retry = Retry()

    async def _settle(self, segment: Segment) -> bool:
        """Settle one segment; False when those it is owed to are still in trouble."""
        self._outbox.settling = segment
        try:
            settle = partial(self._flush_side.settle, segment)
            as_text = self._outbox.as_text(segment)
            receipt = await somehow(self.lane, settle, segment.size_bytes, as_text=as_text)
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            # Who got into trouble was told then.
            self.lane.retry.failed(now_ms())
            if not isinstance(error, PASSING):
                log("error", f"settling broke: {type(error).__name__}: {quote(error)}")
            return False
        finally:
            self._outbox.settling = None
        self.note(segment, receipt)
        self._commits.changed()
        if receipt.owed:
            self.lane.retry.failed(now_ms())
            return False
        self._outbox.settled(segment)
        return True
