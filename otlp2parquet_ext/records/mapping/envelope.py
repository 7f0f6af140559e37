"""Reads undocumented envelopes: unreadable times and unknown fields.

None of their data is lost: a field without a column becomes an attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.records.mapping.times import parse_time
from otlp2parquet_ext.records.telemetry.decode import Event, OddEvent

if TYPE_CHECKING:
    from otlp2parquet_ext.records.mapping.attributes import Attributes


def fields(event: Event, time_us: int | None) -> Attributes:
    """Return the fields of the envelope other than type, record and a readable time."""
    found: Attributes = {}
    if isinstance(event, OddEvent):
        found.update(event.extra)
    if time_us is None and event.time:
        found["time"] = event.time
    return found


def read_time(event: Event, time_us: int | None, observed_us: int) -> int:
    """Return the event's time: as read, else its `timestamp`, else the observed time."""
    if time_us is None and isinstance(event, OddEvent) and "timestamp" in event.extra:
        time_us = parse_time(bytes(event.extra["timestamp"]).decode().strip('"'))
    return observed_us if time_us is None else time_us


def unite(own: Attributes | None, extra: Attributes | None) -> Attributes:
    """Add the envelope's fields to ours; a key that we use becomes `record.<key>`."""
    united = dict(own or {})
    for key, value in (extra or {}).items():
        is_ours = key in united or key in {"type", "faas.invocation_id"}
        united[f"record.{key}" if is_ours else key] = value
    return united
