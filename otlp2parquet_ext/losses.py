"""What we lost: counted by reason until a row in the table says so.

A record is committed, kept, or dropped *and counted*: nothing else happens to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

REASONS = 16


@dataclass(slots=True)
class Loss:
    """One reason's total."""

    records: int = 0
    size_bytes: int = 0


class Losses:
    """Counters by reason; more than `REASONS` different ones are counted together."""

    def __init__(self) -> None:
        self._losses: dict[str, Loss] = {}

    def __bool__(self) -> bool:
        """Tell whether there is anything to report."""
        return bool(self._losses)

    def add(self, reason: str, records: int, size_bytes: int) -> None:
        """Count a loss."""
        if reason not in self._losses and len(self._losses) >= REASONS:
            reason = "other reasons"
        loss = self._losses.setdefault(reason, Loss())
        loss.records += records
        loss.size_bytes += size_bytes

    def report(self, time_text: str) -> bytes:
        """Return the losses as a body in the Telemetry API's own shape, one event a reason."""
        return msgspec.json.encode(
            [
                {
                    "time": time_text,
                    "type": "otlp2parquet_ext.dropped",
                    "record": {
                        "droppedRecords": loss.records,
                        "droppedBytes": loss.size_bytes,
                        "reason": reason,
                    },
                }
                for reason, loss in self._losses.items()
            ]
        )

    def clear(self) -> None:
        """Forget what has been reported."""
        self._losses.clear()

    def __len__(self) -> int:
        """Return the number of reasons."""
        return len(self._losses)
