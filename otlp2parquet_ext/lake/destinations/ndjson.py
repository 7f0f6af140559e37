"""Deliveries → lines for a Data Tap: the fields of data-taps' extension, in its order. Pure.

    {"time":…,"type":…,"version":…,"region":…,"logGroup":…,"logStream":…,"record":…,
     "retryAttempt":0}

`record` is copied without the line breaks between its tokens, so that each event is one line. Of an
event's fields, only `time`, `type` and `record` are sent.

Source: the posts of data-taps-lambda-extension; docs/forwarding.md, "Data Tap".
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.telemetry.decode import Malformed, decode
from otlp2parquet_ext.records.telemetry.own_events import EVENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otlp2parquet_ext.lake.destinations.destination import Source
    from otlp2parquet_ext.records.telemetry.decode import Event
    from otlp2parquet_ext.records.telemetry.values import EnvironmentContext

NOT_KNOWN = "NA"
MALFORMED = "otlp2parquet_ext.malformed"
"""Type of a malformed event, the same as in the tables."""

LOSSES = f'"type":"{EVENT_TYPE}"'.encode()
LAST = b',"retryAttempt":%d}'
_encode = msgspec.json.Encoder().encode


class Lines:
    """The lines of one request; see `Portion`."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    @property
    def pieces(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    @property
    def size_bytes(self) -> int:
        """Length of the body, or a few bytes more."""
        return sum(map(len, self._lines)) + len(self._lines) * len(LAST)

    def records(self) -> int:
        """Count the lines without those that report losses."""
        # The type follows the time, which has about 27 characters.
        return sum(LOSSES not in line[:100] for line in self._lines)

    def body(self, attempt: int) -> bytes:
        """Return the body, without a line break at its end."""
        last = LAST % attempt
        return b"\n".join([line + last for line in self._lines])

    def cut(self, at: int) -> tuple[Lines, Lines]:
        """Return the first `at` lines and the others."""
        return Lines(self._lines[:at]), Lines(self._lines[at:])


def lines(source: Source, limit_bytes: int) -> Iterator[Lines]:
    """Yield the lines of a batch in portions of at most `limit_bytes`, or of one longer line.

    Args:
        source: the batch's source; OTLP requests become no lines.
        limit_bytes: longest body.
    """
    made: list[bytes] = []
    size_bytes = 0
    for line in _lines(source):
        if made and size_bytes + len(line) > limit_bytes:
            yield Lines(made)
            made, size_bytes = [], 0
        made.append(line)
        size_bytes += len(line) + len(LAST)
    if made:
        yield Lines(made)


def _lines(source: Source) -> Iterator[bytes]:
    same = _same(source.context)
    for delivery in source.deliveries:
        for event in decode(delivery.body):
            yield _line(event, same, delivery.received_us)


def _line(event: Event | Malformed, same: bytes, received_us: int) -> bytes:
    if isinstance(event, Malformed):
        time_text, type_, record = moment(received_us), MALFORMED, _encode(event.text)
    else:
        time_text, type_, record = event.time, event.type, bytes(event.record)
        if b"\n" in record or b"\r" in record:
            record = msgspec.json.format(record, indent=-1)
    return b'{"time":%b,"type":%b,%b,"record":%b' % (
        _encode(time_text),
        _encode(type_),
        same,
        record,
    )


def _same(context: EnvironmentContext) -> bytes:
    """Return the fields that are the same in every line of an environment."""
    fields = {
        "version": context.function_version or NOT_KNOWN,
        "region": context.region or NOT_KNOWN,
        "logGroup": context.function_name or NOT_KNOWN,
        "logStream": log_stream(context),
    }
    return _encode(fields)[1:-1]


def log_stream(context: EnvironmentContext) -> str:
    """Return a name for the environment: its start and three digits, as data-taps makes it."""
    number = zlib.crc32(context.instance_id.encode()) % 1_000
    return f"{moment(context.started_us)}_{number:03}"


def moment(time_us: int) -> str:
    """Return Unix microseconds as `2026-03-14T09:26:53.589Z`."""
    when = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
