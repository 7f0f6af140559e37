"""Segments that are given up: no attempt will store them, so each is counted and blocks no other.

breaks our own code, also as text  --BUG_ATTEMPTS-->        a row of losses
ends the process, also as text     --DROPPED_AFTER lives--> a row of losses
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.flush.attempts import DROPPED_AFTER, Handling
from otlp2parquet_ext.flush.commit_worker import describe
from otlp2parquet_ext.flush.redelivery import PASSING

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.intake import Intake
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.spool import Segment

BUG_ATTEMPTS = 3
"""Tries before a batch that cannot be stored even as text is given up: it may block no other."""

CRASHED = f"the process ended each of {DROPPED_AFTER} times while it was stored"


class Dropping:
    """Gives segments up.

    Args:
        outbox: forgets them.
        intake: counts them.
    """

    def __init__(self, outbox: SegmentQueue, intake: Intake) -> None:
        self._outbox = outbox
        self._intake = intake

    def failed(self, segment: Segment, error: Exception, *, ending: bool) -> bool:
        """Count a failure that is no destination's; True when the segment is given up for it."""
        if isinstance(error, MemoryError):
            self._outbox.memory_was_short(segment)
        if isinstance(error, PASSING):
            return False
        if self._outbox.broke(segment) < BUG_ATTEMPTS or ending:
            return False
        problem = f"cannot be mapped: {describe(error)}"
        log("error", f"{segment.size_bytes} bytes of telemetry are lost: {problem}")
        self._intake.lose(problem, segment.items, segment.size_bytes)
        self._outbox.discard(segment)
        return True

    def crashed(self, segment: Segment) -> bool:
        """Give a segment up if processes ended with it often enough; True when it is gone."""
        handling = self._outbox.handling(segment)
        if not handling.dropped:
            return False
        log("error", f"{segment.size_bytes} bytes of telemetry are lost: {CRASHED}")
        self._intake.drop(segment, CRASHED, read=handling is Handling.DROP)
        return True
