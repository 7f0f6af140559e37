"""Rows → the logs table. Columns go to Arrow delivery by delivery; no row outlives that.

Columns that are the same on every row (resource, scope) cost nothing per row: one short chunk
is repeated by reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from otlp2parquet_ext.mapping.severity import UNSPECIFIED, Severity
from otlp2parquet_ext.mapping.times import SECOND_US
from otlp2parquet_ext.mapping.trace import NO_TRACE, Trace
from otlp2parquet_ext.tables.logs import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otlp2parquet_ext.mapping.resource import Resource

_CHUNK = 1024


class Row(msgspec.Struct, gc=False):
    """One log record, less what it shares with all others.

    Attributes:
        event_name: type of the event.
        time_us: Unix microseconds.
        body: text; None when unset.
        attributes: a JSON object, as UTF-8.
        severity: of the record.
        trace: its trace context.
        request_id: None when the record belongs to no invocation.
        observed_us: Unix microseconds when its delivery was received.
    """

    event_name: str
    time_us: int
    body: str | bytes | None
    attributes: bytes
    severity: Severity = UNSPECIFIED
    trace: Trace = NO_TRACE
    request_id: str | None = None
    observed_us: int = 0


def table(deliveries: Iterable[Sequence[Row]], constants: dict[str, object]) -> pa.Table:
    """Give the rows as a table with the schema `LOGS`, in their order.

    Args:
        deliveries: rows, in portions.
        constants: value of each column that is the same on every row.
    """
    batches = [_varying(rows) for rows in deliveries if rows]
    length = sum(len(batch["Timestamp"]) for batch in batches)
    columns = [
        repeated(constants[field.name], length, field.type)
        if field.name in constants
        else pa.chunked_array([batch[field.name] for batch in batches], field.type)
        for field in LOGS
    ]
    return pa.table(columns, schema=LOGS)


def constants(resource: Resource, scope_name: str, scope_version: str) -> dict[str, object]:
    """Give the columns that are the same on every row of a batch."""
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


def _varying(rows: Sequence[Row]) -> dict[str, pa.Array]:
    times = [row.time_us for row in rows]
    values: dict[str, list[object]] = {
        "Timestamp": [*times],
        "TraceId": [row.trace[0] for row in rows],
        "SpanId": [row.trace[1] for row in rows],
        "TimestampTime": [time - time % SECOND_US for time in times],
        "ObservedTimestamp": [row.observed_us for row in rows],
        "TraceFlags": [row.trace[2] for row in rows],
        "SeverityText": [row.severity[0] for row in rows],
        "SeverityNumber": [row.severity[1] for row in rows],
        "Body": [row.body for row in rows],
        "LogAttributes": [row.attributes for row in rows],
        "EventName": [row.event_name for row in rows],
        "FaasInvocationId": [row.request_id for row in rows],
    }
    return {name: pa.array(column, LOGS.field(name).type) for name, column in values.items()}


def repeated(value: object, length: int, type_: pa.DataType) -> pa.ChunkedArray:
    """Give a column of equal values; one short chunk is there, all others refer to it."""
    chunk = pa.repeat(pa.scalar(value, type_), min(length, _CHUNK))
    whole, rest = divmod(length, _CHUNK)
    chunks = [chunk] * whole + ([chunk.slice(0, rest)] if rest else [])
    return pa.chunked_array(chunks, type_)
