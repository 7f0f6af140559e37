"""Losses: counted by reason until a row in the table reports them.

Every record is committed, kept, or dropped *and counted*.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.records.telemetry.own_events import EVENT_TYPE

REASONS = 16
REASON_LENGTH = 200


class Loss(msgspec.Struct, rename="camel"):
    """The total of one reason, as its row reports it."""

    reason: str
    dropped_records: int = 0
    dropped_bytes: int = 0


class _LossEvent(msgspec.Struct):
    """One row, in the Telemetry API's own shape."""

    time: str
    record: Loss
    type: Literal["otlp2parquet_ext.dropped"]


class Losses:
    """Counters by reason; more than `REASONS` different ones are counted together."""

    def __init__(self) -> None:
        self._losses: dict[str, Loss] = {}

    def __bool__(self) -> bool:
        """Tell whether there is anything to report."""
        return bool(self._losses)

    def add(self, reason: str, records: int, size_bytes: int) -> None:
        """Count a loss; `records` is 0 if their number is unknown."""
        reason = quote(reason, REASON_LENGTH)
        if reason not in self._losses and len(self._losses) >= REASONS:
            reason = "other reasons"
        loss = self._losses.setdefault(reason, Loss(reason))
        loss.dropped_records += records
        loss.dropped_bytes += size_bytes

    def add_all(self, other: Losses) -> None:
        """Add the losses of `other`."""
        for loss in other._losses.values():
            self.add(loss.reason, loss.dropped_records, loss.dropped_bytes)

    def report(self, time_text: str, *others: Loss) -> bytes:
        """Return the losses as a body in the Telemetry API's own shape, one event a reason.

        At most `REASONS` + 1 events of `REASON_LENGTH` characters each and a few numbers.

        Args:
            time_text: time of the events.
            others: losses to report that are not counted here.
        """
        losses = (*self._losses.values(), *others)
        return msgspec.json.encode([_LossEvent(time_text, loss, EVENT_TYPE) for loss in losses])

    def learn(self, report: bytes) -> bool:
        """Count the losses of an undelivered report again; False if the body is no report."""
        try:
            events = msgspec.json.decode(report, type=list[_LossEvent])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        for event in events:
            record = event.record
            self.add(record.reason, record.dropped_records, record.dropped_bytes)
        return True

    def clear(self) -> None:
        """Forget what has been reported."""
        self._losses.clear()

    def __len__(self) -> int:
        """Return the number of reasons."""
        return len(self._losses)
