"""The intake: it puts telemetry into the spool, or counts it as lost until a row reports the loss.

    append() --> Spool --seal()--> a batch
       |
       +--no room--> the newest or the oldest is dropped, as the settings say
       v
    Losses --> tally on disk --seal()--> a small batch with a row per loss, ahead of other batches

The tally also counts telemetry in memory, which has no room on disk, because it is lost if the
process ends.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.flush.losses import Loss, Losses
from otlp2parquet_ext.flush.policy import Buffered
from otlp2parquet_ext.records.telemetry.peek import peek
from otlp2parquet_ext.spool import BODIES, OTLP, Dropped, Frame, FrameKind, read_frames

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.spool import RecoveryRound, Segment, Spool

EVICTED = "the spool was full: the oldest made room"
UNSETTLED = "in trouble until the spool was full"
AT_END = "lost, unless Lambda starts this environment again with its /tmp"
IN_MEMORY = "the process ended while it was in memory only: the disk was full, or none"


class Intake:
    """Puts telemetry into the spool and counts losses.

    Args:
        spool: stores bodies; only this object appends to it.
        queue: knows the sealed segments that no worker uses.
        drops_oldest: a full spool drops the oldest telemetry; if False, the newest.
    """

    def __init__(
        self,
        spool: Spool,
        queue: SegmentQueue,
        *,
        drops_oldest: bool,
    ) -> None:
        self._spool = spool
        self._queue = queue
        self._drops_oldest = drops_oldest
        self._losses = Losses()
        self._unreported = Losses()
        self._reported_us = 0
        self._held = (0, 0)
        self._aging: Segment | None = None
        self._since_ms = 0

    @property
    def buffered(self) -> Buffered:
        """The content of the open segment."""
        segment = self._spool.open
        if segment is None:
            return Buffered(0, 0, 0)
        if segment is not self._aging and segment.items:
            self._aging, self._since_ms = segment, steady_ms()
        return Buffered(segment.items, segment.size_bytes, self._since_ms)

    @property
    def empty(self) -> bool:
        """True if there is nothing to seal and no loss to report."""
        return self._spool.open is None and not self._losses

    def log_unsent(self) -> None:
        """Log the undelivered bytes before this process ends, because /tmp may be deleted, too."""
        waiting = sum(segment.size_bytes for segment in self._queue.unstored)
        waiting += self.buffered.size_bytes + self._spool.left_bytes
        if waiting:
            log("error", f"{waiting} bytes of telemetry were not stored before the end: {AT_END}")
        lacking: dict[str, int] = {}
        for segment in self._queue.undelivered:
            for name in self._queue.state(segment).undelivered:
                lacking[name] = lacking.get(name, 0) + segment.size_bytes
        for name, size in lacking.items():
            log("error", f"{size} bytes of telemetry did not reach {name} before the end: {AT_END}")

    def adopt(self, found: RecoveryRound) -> int:
        """Take over dead processes' segments and losses; return how many segments."""
        adopted = self._spool.adopt(found)
        self.update_tally()
        return adopted

    def append(self, body: bytes, items: int) -> None:
        """Put a body of `items` events into the spool, or count it as lost."""
        now_us = time.time_ns() // 1_000
        result = self._spool.append(body, now_us, items)
        while isinstance(result, Dropped) and self._drop_undelivered():
            result = self._spool.append(body, now_us, items)
        while isinstance(result, Dropped) and self._drops_oldest and self._make_room():
            result = self._spool.append(body, now_us, items)
        if isinstance(result, Dropped):
            self.lose(result.reason, items, len(body))
            self._spool.remember(body)  # a repetition is not counted again

    def offer(self, kind: FrameKind, payload: bytes, items: int) -> str | None:
        """Put a body into the spool; if there is no room, return why: the client keeps the body."""
        now_us = time.time_ns() // 1_000
        result = self._spool.append(payload, now_us, items, kind)
        while isinstance(result, Dropped) and self._drop_undelivered():
            result = self._spool.append(payload, now_us, items, kind)
        return result.reason if isinstance(result, Dropped) else None

    def lose(self, reason: str, records: int, size_bytes: int) -> None:
        """Count a loss on disk, so that a row reports it even if we are killed before."""
        self._losses.add(reason, records, size_bytes)
        self._tally()

    def seal(self) -> None:
        """Close the open segment; queue a row for every loss since the last time."""
        self._spool.seal()
        if not self._losses:
            return
        # Two equal reports would be two batches of one name, so each gets another time.
        self._reported_us = max(time.time_ns() // 1_000, self._reported_us + 1)
        body = self._losses.report(_text(self._reported_us))
        if self._spool.prepend(body, self._reported_us, len(self._losses)):
            self._losses.clear()
            self._tally()

    def report_later(self, segment: Segment) -> None:
        """Count the losses of an undelivered report again; report them after the next success.

        An earlier report would be refused, too. At the end of the process, this would never stop.
        """
        for part in read_frames(segment.read()):
            if isinstance(part, Frame) and part.kind in BODIES:
                self._unreported.learn(part.payload)
        self._tally()

    def report_refused(self) -> None:
        """Include the losses of refused reports in the next report."""
        if self._unreported:
            self._losses.add_all(self._unreported)
            self._unreported.clear()
            self._tally()

    def _drop_undelivered(self) -> bool:
        """Drop the oldest segment that only some destinations lack; False if there is none.

        So a failing destination does not make the others lose telemetry.
        """
        segment = self._queue.oldest_undelivered
        if segment is None:
            return False
        for name in self._queue.state(segment).undelivered:
            self.lose(f"{name}: {UNSETTLED}", segment.items, segment.size_bytes)
        self._queue.dropped(segment)
        self.discard()
        return True

    def discard(self) -> None:
        """Delete the segments that the queue has discarded, and count them no longer.

        Those in memory are in the tally. If this process is killed before the tally changes, the
        next one reports them as lost.
        """
        for segment in self._queue.take_discarded():
            self._spool.discard(segment)
        self.update_tally()

    def _make_room(self) -> bool:
        """Drop the oldest segment; False if none is idle."""
        if self._queue.oldest_idle is None:
            self._spool.seal()
        victim = self._queue.oldest_idle
        if victim is None:
            return False
        self.drop(victim, EVICTED, read=not self._queue.handling(victim).dropped)
        return True

    def drop(self, segment: Segment, reason: str, *, read: bool) -> None:
        """Count the records of a segment as lost, and remove it.

        Args:
            segment: sealed; no worker uses it.
            reason: the reason of the loss.
            read: also count its records; False if reading it ended a process.
        """
        if read:
            with segment.attempt():
                self._count(segment, reason)
        else:
            self._losses.add(reason, 0, segment.size_bytes)
        self._tally()
        self._queue.dropped(segment)
        self.discard()

    def _count(self, segment: Segment, reason: str) -> None:
        for part in read_frames(segment.read()):
            if not isinstance(part, Frame) or part.kind not in BODIES:
                continue
            # If the segment holds a report of losses, these are counted again and reported later.
            if not self._losses.learn(part.payload):
                self._losses.add(reason, _records_in(part), len(part.payload))

    def update_tally(self) -> None:
        """Update the tally after any change of the spool.

        It counts telemetry in memory, which ends with this process, and unreported losses of dead
        processes.
        """
        held, left = self._spool.held_in_memory, self._spool.left_tallies
        if held == self._held and not left:
            return
        self._held = held
        for tally in left.values():
            self._losses.learn(tally)
        self._tally()
        self._spool.forget_left_tallies()

    def _tally(self) -> None:
        records, size_bytes = self._held
        in_memory = (Loss(IN_MEMORY, records, size_bytes),) if size_bytes else ()
        now_us = time.time_ns() // 1_000
        losses = Losses()
        losses.add_all(self._losses)
        losses.add_all(self._unreported)
        self._spool.tally(losses.report(_text(now_us), *in_memory))


def _records_in(frame: Frame) -> int:
    if frame.kind is FrameKind.DELIVERY:
        return peek(frame.payload).events
    if frame.kind not in OTLP:
        return 0
    # Imported only if there are OTLP requests.
    from otlp2parquet_ext.records.otlp.budget import Budget  # noqa: PLC0415
    from otlp2parquet_ext.records.otlp.requests import Signal, read_request  # noqa: PLC0415

    accepted_before = Budget(0, bounded=False)
    signal = Signal(OTLP[frame.kind])
    return read_request(signal, frame.payload, json=False, budget=accepted_before).records


def _text(time_us: int) -> str:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
