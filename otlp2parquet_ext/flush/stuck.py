"""Stores that do not end: given up after a while, so that other segments are stored.

    store under way --STORE_LIMIT_MS--> abandoned: its thread is left behind, its segment is last
                                             |
                                             +--thread ends, or may be left behind--> tried again

Requests have deadlines of their own, so it takes a bug, a hanging disk or a library to get here.
The segment stays in the spool, and the name of its file counts the attempt, so the next process
stores the others first, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.flush.worker import SerialWorker
    from otlp2parquet_ext.spool import Segment

STORE_LIMIT_MS = 120_000
"""Longest store, frozen time left out. One that a destination's own deadlines end is shorter: 30 s,
or a few times that where there are several destinations or parts."""


class StuckStores:
    """Gives up stores that take too long.

    Args:
        lane: on which segments are stored.
        outbox: knows which segment is in hand.
        limit_ms: longest store.
    """

    def __init__(
        self, lane: SerialWorker, outbox: SegmentQueue, limit_ms: int = STORE_LIMIT_MS
    ) -> None:
        self._lane = lane
        self._outbox = outbox
        self._limit_ms = limit_ms

    def storable(self) -> list[Segment]:
        """Return the segments that may be stored now, in their order.

        Segments whose store was given up are left out while no other thread may be left behind:
        one of them could hold the lane for ever.
        """
        waiting = self._outbox.waiting
        if self._lane.may_give_up:
            return waiting
        return [segment for segment in waiting if segment not in self._outbox.abandoned]

    def due_in_ms(self, now_ms: int) -> int | None:
        """Return in how many ms to look again; 0: now; None: no store is under way."""
        if not (self._lane.busy and self._lane.may_give_up):
            return None
        if self._outbox.in_hand is None:  # it has not begun, or another segment is looked for
            return self._limit_ms
        return max(0, self._limit_ms - self._lane.step_ms(now_ms))

    def look(self, now_ms: int) -> None:
        """Give up the store under way if it has taken too long."""
        segment = self._outbox.in_hand
        if segment is None or self.due_in_ms(now_ms) != 0:
            return
        limit_s = self._limit_ms // 1_000
        size_bytes = segment.size_bytes
        log(
            "error",
            f"storing {size_bytes} bytes of telemetry has not ended for {limit_s} s: they are "
            "kept, and tried again after all others",
        )
        self._outbox.abandon(segment)
        self._lane.abandon()
