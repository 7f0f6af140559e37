"""The buffer of one subscriber: closes batches, and drops events beyond its capacity.

Pure: times are parameters, in milliseconds awake. It has two kinds of limits: `SubscriptionLimits`
close a batch (soft); `capacity_bytes` limits the buffer (hard), and events beyond it are dropped
and counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.events import PlatformEvent
    from otlp2parquet_ext.tools.local.subscription import SubscriptionLimits

DEFAULT_CAPACITY_BYTES = 64 << 20


class CloseReason(StrEnum):
    """Why a batch closes."""

    ITEMS = "items"
    BYTES = "bytes"
    TIMEOUT = "timeout"
    STREAM_END = "stream end"


@dataclass(frozen=True)
class BufferedEvent:
    """One event: `size_bytes` of its encoded record, and `since_ms`, its arrival (awake)."""

    event: PlatformEvent
    size_bytes: int
    since_ms: float


class Buffer:
    """The events of one subscriber, oldest first."""

    def __init__(self, limits: SubscriptionLimits, capacity_bytes: int | None = None) -> None:
        self._limits = limits
        self._capacity_bytes = DEFAULT_CAPACITY_BYTES if capacity_bytes is None else capacity_bytes
        self._waiting: deque[BufferedEvent] = deque()
        self._bytes = 0
        self._flushing = False
        self._dropped_records = 0
        self._dropped_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: PlatformEvent, size_bytes: int, now_ms: float) -> bool:
        """Keep an event, or drop and count it if the buffer is full.

        Returns:
            Whether it was kept.
        """
        if self._bytes + size_bytes > self._capacity_bytes:
            self._dropped_records += 1
            self._dropped_bytes += size_bytes
            return False
        self._keep(BufferedEvent(event, size_bytes, now_ms))
        return True

    def add_notice(self, event: PlatformEvent, size_bytes: int, now_ms: float) -> None:
        """Keep the event that reports dropped events; it is never dropped."""
        self._keep(BufferedEvent(event, size_bytes, now_ms))

    def flush(self) -> None:
        """Close the waiting batch now, as the end of a stream does."""
        self._flushing = bool(self._waiting)

    def close_reason(self, now_ms: float) -> CloseReason | None:
        """Return why the oldest batch should be sent now; None if it should wait."""
        if not self._waiting:
            return None
        if len(self._waiting) >= self._limits.max_items:
            return CloseReason.ITEMS
        if self._bytes >= self._limits.max_bytes:
            return CloseReason.BYTES
        if self._flushing:
            return CloseReason.STREAM_END
        due = now_ms - self._waiting[0].since_ms >= self._limits.timeout_ms
        return CloseReason.TIMEOUT if due else None

    def due_in_ms(self, now_ms: float) -> float | None:
        """Return the ms until the next batch is due: 0 if it is due now, None if empty."""
        if self.close_reason(now_ms):
            return 0.0
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0].since_ms + self._limits.timeout_ms - now_ms)

    def take(self, most: int | None = None) -> list[PlatformEvent]:
        """Remove and return the oldest batch, within the limits and at most `most` events."""
        batch: list[PlatformEvent] = []
        size_bytes = 0
        limit = self._limits.max_items if most is None else min(most, self._limits.max_items)
        while self._waiting and len(batch) < limit and size_bytes < self._limits.max_bytes:
            waiting = self._waiting.popleft()
            batch.append(waiting.event)
            size_bytes += waiting.size_bytes
        self._bytes -= size_bytes
        if not self._waiting:
            self._flushing = False
        return batch

    def take_dropped(self) -> tuple[int, int]:
        """Return the numbers of records and bytes dropped since the last call."""
        dropped = self._dropped_records, self._dropped_bytes
        self._dropped_records = self._dropped_bytes = 0
        return dropped

    def _keep(self, waiting: BufferedEvent) -> None:
        self._waiting.append(waiting)
        self._bytes += waiting.size_bytes
