"""Makes the logs table from rows. Columns go to Arrow, and rows are freed, a thousand at a time.

A portion may contain rows of several deliveries, because each chunk has a fixed cost, here and in
the Parquet writer. Numbers are packed together, and Arrow uses their memory without a copy. A
column with one value for all rows (resource, scope) takes no memory per row, because one short
chunk is repeated by reference.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from otlp2parquet_ext.records.mapping.severity import UNSPECIFIED, Severity
from otlp2parquet_ext.records.mapping.times import SECOND_US
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace
from otlp2parquet_ext.records.tables.logs import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otlp2parquet_ext.records.mapping.resource import Resource

PORTION = 1024
"""Most rows that exist as objects at the same time."""

CHUNK_BYTES = 1_048_576
"""Most bytes of a chunk of equal values, unless one value alone is longer."""

_TEXT = pa.string()
# Formats of 32 and 64 bits for `struct`; a C long is read twice as fast as the portable 64-bit
# type.
_INT, _LONG = "i", "l" if struct.calcsize("l") == 8 else "q"
_TYPES = {field.name: field.type for field in LOGS}


class RowLimits(NamedTuple):
    """Limits of one table of a batch before it is written; the last portion may exceed them.

    Attributes:
        rows: most rows of all tables together.
        size_bytes: most bytes of their columns; a value that many rows share counts once.
    """

    rows: int
    size_bytes: int


UNLIMITED = RowLimits(sys.maxsize, sys.maxsize)


class RowPart(NamedTuple):
    """Some of the rows of a batch; `last` is True for the last part."""

    rows: pa.Table
    last: bool


class Row(msgspec.Struct, gc=False):
    """One log record, without the values that all records share.

    Attributes:
        event_name: type of the event.
        time_us: Unix microseconds.
        body: text; None if unset.
        attributes: a JSON object, as UTF-8.
        severity: the record's severity.
        trace: its trace context.
        request_id: None if the record belongs to no invocation.
    """

    event_name: str
    time_us: int
    body: str | bytes | None
    attributes: bytes
    severity: Severity = UNSPECIFIED
    trace: Trace = NO_TRACE
    request_id: str | None = None


def table(
    deliveries: Iterable[tuple[Sequence[Row], int]], constants: dict[str, object]
) -> pa.Table:
    """Return the rows as a table with the schema `LOGS`, in their order.

    Args:
        deliveries: rows in portions, each with the Unix microseconds of its receipt.
        constants: value of each column that is the same on every row.
    """
    made = list(tables(deliveries, constants))
    return made[0].rows if len(made) == 1 else pa.concat_tables(one.rows for one in made)


def tables(
    deliveries: Iterable[tuple[Sequence[Row], int]],
    constants: dict[str, object],
    limits: RowLimits = UNLIMITED,
) -> Iterator[RowPart]:
    """Yield the rows as tables with the schema `LOGS`, in their order; at least one.

    Args:
        deliveries, constants: as for `table`.
        limits: a table ends with the portion of rows that reaches one of them.
    """
    batches: list[dict[str, pa.Array]] = []
    size_bytes = length = 0
    for rows, observed in _portions(deliveries):
        batches.append(_varying(rows, observed))
        length += len(rows)
        if limits is not UNLIMITED:
            size_bytes += sum(column.nbytes for column in batches[-1].values())
        if length >= limits.rows or size_bytes >= limits.size_bytes:
            yield RowPart(_table(batches, length, constants), last=False)
            batches, size_bytes, length = [], 0, 0
    yield RowPart(_table(batches, length, constants), last=True)


def _table(
    batches: Sequence[dict[str, pa.Array]], length: int, constants: dict[str, object]
) -> pa.Table:
    columns = [
        repeated(constants[field.name], length, field.type)
        if field.name in constants
        else pa.chunked_array([batch[field.name] for batch in batches], field.type)
        for field in LOGS
    ]
    return pa.table(columns, schema=LOGS)


def _portions(
    deliveries: Iterable[tuple[Sequence[Row], int]],
) -> Iterator[tuple[list[Row], array[int]]]:
    rows: list[Row] = []
    observed = array("q")
    for some, observed_us in deliveries:
        rows += some
        observed += array("q", (observed_us,)) * len(some)
        if len(rows) >= PORTION:
            yield rows, observed
            rows, observed = [], array("q")
    if rows:
        yield rows, observed


def constants(resource: Resource, scope_name: str, scope_version: str) -> dict[str, object]:
    """Return the columns that are the same on every row of a batch."""
    return {
        "ServiceName": resource.service_name,
        "ServiceNamespace": resource.service_namespace,
        "ServiceInstanceId": resource.service_instance_id,
        "ResourceAttributes": resource.attributes,
        "ResourceSchemaUrl": None,
        "ScopeName": scope_name,
        "ScopeVersion": scope_version,
        "ScopeAttributes": "{}",
        "ScopeSchemaUrl": None,
        "DroppedAttributesCount": 0,
    }


def _varying(rows: Sequence[Row], observed: array[int]) -> dict[str, pa.Array]:
    times = [row.time_us for row in rows]
    seconds = [time - time % SECOND_US for time in times]
    trace_ids, span_ids, flags = zip(*[row.trace for row in rows], strict=True)
    levels, numbers = zip(*[row.severity for row in rows], strict=True)
    return {
        "Timestamp": _numbers("Timestamp", _LONG, times),
        "TraceId": _texts(trace_ids),
        "SpanId": _texts(span_ids),
        "TimestampTime": _numbers("TimestampTime", _LONG, seconds),
        "ObservedTimestamp": _packed("ObservedTimestamp", len(rows), observed),
        "TraceFlags": _numbers("TraceFlags", _INT, flags),
        "SeverityText": _texts(levels),
        "SeverityNumber": _numbers("SeverityNumber", _INT, numbers),
        "Body": _texts([row.body for row in rows]),
        "LogAttributes": _texts([row.attributes for row in rows]),
        "EventName": _texts([row.event_name for row in rows]),
        "FaasInvocationId": _texts([row.request_id for row in rows]),
    }


def _numbers(name: str, form: str, values: Sequence[int]) -> pa.Array:
    return _packed(name, len(values), struct.pack(f"{len(values)}{form}", *values))


def _packed(name: str, length: int, packed: bytes | array[int]) -> pa.Array:
    """Return numbers as an Arrow array that uses their memory."""
    return pa.Array.from_buffers(_TYPES[name], length, [None, pa.py_buffer(packed)])


def _texts(values: Sequence[str | bytes | None]) -> pa.Array:
    return pa.array(values, _TEXT)


def repeated(
    value: object, length: int, type_: pa.DataType, chunk_bytes: int = CHUNK_BYTES
) -> pa.ChunkedArray:
    """Return a column of equal values: one short chunk, repeated by reference.

    A chunk of long values has few of them, because the writer holds one chunk at a time.
    """
    size_bytes = len(value) if isinstance(value, str | bytes) else 0
    in_chunk = min(length, PORTION, max(1, chunk_bytes // max(1, size_bytes)))
    chunk = pa.repeat(pa.scalar(value, type_), in_chunk)
    whole, rest = divmod(length, in_chunk or 1)
    chunks = [chunk] * whole + ([chunk.slice(0, rest)] if rest else [])
    return pa.chunked_array(chunks, type_)
