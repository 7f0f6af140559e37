"""The redelivery job: it sends failed destinations the segments that they lack, oldest first.

redeliver --> some have it now  --> fewer destinations lack it
+-> all have it now   --> discarded, once it is also committed
+-> none has it       --> retried later, each time after a longer delay
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.flush.errors import TRANSIENT, run_with_text_fallback
from otlp2parquet_ext.flush.health import Work

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.flush_state import FlushState
    from otlp2parquet_ext.spool import Segment


class RedeliverJob:
    """Redelivers segments.

    Args:
        shared: the queue, the health and the workers.
    """

    def __init__(self, shared: FlushState) -> None:
        self._shared = shared

    async def run(self) -> None:
        """Redeliver segments, oldest first, until one fails."""
        queue = self._shared.queue
        for segment in self._shared.redeliverable:
            if queue.state(segment).undelivered and not await self._redeliver(segment):
                return
        self._shared.worked(Work.REDELIVER, 0)

    def note_abandoned(self, limit_s: int) -> None:
        """Note that a redelivery does not end, so its segment is redelivered after all others."""
        shared, segment = self._shared, self._shared.queue.redelivering
        if segment is None or not shared.redelivering.job_runs:
            return
        names = ", ".join(shared.queue.state(segment).undelivered)
        log(
            "error",
            f"redelivering {segment.size_bytes} bytes of telemetry to {names} has not ended for "
            f"{limit_s} s: they are kept, and tried again after all others",
        )
        shared.queue.redelivery_overlong(segment)
        shared.health.delayed(Work.REDELIVER, steady_ms())

    def start_over(self) -> None:
        """See `AbandonableJob`; the plan begins the waiting work."""

    async def _redeliver(self, segment: Segment) -> bool:
        """Redeliver one segment; False when a destination still lacks it."""
        shared, queue = self._shared, self._shared.queue
        behind = queue.behind
        lacking: tuple[str, ...] | None = None
        queue.redelivery_begins(segment)
        try:
            send = partial(shared.pipeline.redeliver, segment, queue.state(segment).undelivered)
            as_text = queue.as_text(segment)
            receipt = await run_with_text_fallback(
                shared.redelivering, send, segment.size_bytes, as_text=as_text
            )
            lacking = receipt.undelivered
        except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
            # The first failure was logged when the batch was stored.
            shared.health.delayed(Work.REDELIVER, steady_ms())
            if not isinstance(error, TRANSIENT):
                log("error", f"redelivering broke: {type(error).__name__}: {quote(error)}")
            return False
        finally:
            queue.redelivery_ended(segment, lacking)
        shared.count_lost(segment, receipt)
        shared.intake.discard()
        shared.commits.changed()
        for name in behind - queue.behind:
            log("info", f"{name} has everything it lacked")
        if receipt.undelivered:
            shared.health.delayed(Work.REDELIVER, steady_ms())
            return False
        return True
