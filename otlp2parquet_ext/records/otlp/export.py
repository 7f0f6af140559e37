"""Writes rows of the tables as OTLP requests, for collectors.

    pa.Table (logs, traces, metrics_sum, …) --rows--> resource > scope > records --> payload

It gets only rows mapped from Lambda's telemetry; requests of an SDK are forwarded unchanged. So
there are no links, no exemplars and no exponential histograms. `FaasInvocationId` is already an
attribute of log records and spans. Points do not get it, because each invocation would become its
own time series.

Source: opentelemetry-proto; docs/schema.md.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from otlp2parquet_ext.records.otlp.messages import LEVELS, Signal, request_class
from otlp2parquet_ext.records.otlp.sending import Export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Row = dict[str, Any]

ROWS = 512
"""Most rows in a request, which then has some hundred kilobytes."""

ROWS_BYTES = 1_048_576
"""Most bytes of a request's rows as columns; as Python values and as a request they take several
times that."""

_INT64 = range(-(2**63), 2**63)
_SHARED = (
    "ServiceName", "ServiceNamespace", "ServiceInstanceId", "ResourceAttributes",
    "ResourceSchemaUrl", "ScopeName", "ScopeVersion", "ScopeAttributes", "ScopeSchemaUrl",
)  # fmt: skip
_RESOURCE = (
    ("service.name", "ServiceName"),
    ("service.namespace", "ServiceNamespace"),
    ("service.instance.id", "ServiceInstanceId"),
)


class ExportKind(NamedTuple):
    """The export of a table: its signal, and the function that adds a row to records."""

    signal: Signal
    add: Callable[[Any, Row], None]


def exports(tables: Mapping[str, pa.Table]) -> Iterator[Export]:
    """Yield requests with all rows of tables, in their order.

    Args:
        tables: tables mapped from Lambda's telemetry, by their names in `TABLES`.

    Raises:
        KeyError: no telemetry of Lambda is mapped to this table; a bug of ours.
    """
    for name, table in tables.items():
        for start in range(0, table.num_rows, ROWS):
            for rows in _short(table.slice(start, ROWS)):
                yield _export(KINDS[name], rows)


def _short(table: pa.Table) -> Iterator[pa.Table]:
    """Yield slices of at most `ROWS_BYTES`, or of one row."""
    if table.num_rows < 2 or table.nbytes <= ROWS_BYTES:
        yield table
        return
    half = table.num_rows // 2
    yield from _short(table.slice(0, half))
    yield from _short(table.slice(half))


def _export(kind: ExportKind, table: pa.Table) -> Export:
    request: Any = request_class(kind.signal)()
    resources, in_resource, in_scope = LEVELS[kind.signal]
    for shared, rows in groupby(_rows(table), lambda row: [row[name] for name in _SHARED]):
        same = dict(zip(_SHARED, shared, strict=True))
        resource = getattr(request, resources).add(schema_url=same["ResourceSchemaUrl"] or "")
        for key, column in _RESOURCE:
            if same[column]:
                resource.resource.attributes.add(key=key).value.string_value = same[column]
        _attributes(resource.resource.attributes, same["ResourceAttributes"])
        scope = getattr(resource, in_resource).add(schema_url=same["ScopeSchemaUrl"] or "")
        scope.scope.name, scope.scope.version = same["ScopeName"] or "", same["ScopeVersion"] or ""
        _attributes(scope.scope.attributes, same["ScopeAttributes"])
        for row in rows:
            kind.add(getattr(scope, in_scope), row)
    return Export(kind.signal, request.SerializeToString())


def _rows(table: pa.Table) -> Iterator[Row]:
    """Yield rows, with times in microseconds."""
    columns = [_values(table.column(index)) for index in range(table.num_columns)]
    for values in zip(*columns, strict=True):
        yield dict(zip(table.column_names, values, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):  # a cast would import `pyarrow.compute`
        return [value for chunk in column.chunks for value in chunk.view(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _log(records: Any, row: Row) -> None:
    record = records.add(
        time_unix_nano=row["Timestamp"] * 1_000,
        observed_time_unix_nano=row["ObservedTimestamp"] * 1_000,
        severity_number=row["SeverityNumber"],
        severity_text=row["SeverityText"],
        trace_id=bytes.fromhex(row["TraceId"] or ""),
        span_id=bytes.fromhex(row["SpanId"] or ""),
        flags=row["TraceFlags"] & 0xFFFFFFFF,
        dropped_attributes_count=row["DroppedAttributesCount"],
        event_name=row["EventName"] or "",
    )
    if row["Body"] is not None:
        record.body.string_value = row["Body"]
    _attributes(record.attributes, row["LogAttributes"])


def _span(records: Any, row: Row) -> None:
    start_ns = row["Timestamp"] * 1_000
    span = records.add(
        trace_id=bytes.fromhex(row["TraceId"]),
        span_id=bytes.fromhex(row["SpanId"]),
        parent_span_id=bytes.fromhex(row["ParentSpanId"] or ""),
        trace_state=row["TraceState"] or "",
        name=row["SpanName"],
        kind=row["SpanKind"],
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + row["Duration"],
        flags=row["TraceFlags"] & 0xFFFFFFFF,
    )
    if row["StatusCode"] is not None:
        span.status.code = span.status.StatusCode.Value(row["StatusCode"])
        span.status.message = row["StatusMessage"] or ""
    _attributes(span.attributes, row["SpanAttributes"])


def _metric(records: Any, row: Row) -> Any:
    """Return the metric of a row: the last one if it has the row's name, else a new one."""
    last = records[-1] if records else None
    if last is not None and last.name == row["MetricName"]:
        return last
    return records.add(
        name=row["MetricName"],
        description=row["MetricDescription"] or "",
        unit=row["MetricUnit"] or "",
    )


def _sum(records: Any, row: Row) -> None:
    data = _metric(records, row).sum
    data.aggregation_temporality = row["AggregationTemporality"]
    data.is_monotonic = row["IsMonotonic"]
    data.data_points.add(as_double=row["Value"], **_times(row))
    _attributes(data.data_points[-1].attributes, row["Attributes"])


def _gauge(records: Any, row: Row) -> None:
    data = _metric(records, row).gauge
    data.data_points.add(as_double=row["Value"], **_times(row))
    _attributes(data.data_points[-1].attributes, row["Attributes"])


def _histogram(records: Any, row: Row) -> None:
    data = _metric(records, row).histogram
    data.aggregation_temporality = row["AggregationTemporality"]
    point = data.data_points.add(
        count=row["Count"],
        sum=row["Sum"],
        bucket_counts=row["BucketCounts"],
        explicit_bounds=row["ExplicitBounds"],
        min=row["Min"],
        max=row["Max"],
        **_times(row),
    )
    _attributes(point.attributes, row["Attributes"])


def _times(row: Row) -> dict[str, int]:
    return {
        "start_time_unix_nano": (row["StartTimestamp"] or 0) * 1_000,
        "time_unix_nano": row["Timestamp"] * 1_000,
        "flags": row["Flags"] & 0xFFFFFFFF,
    }


KINDS: Mapping[str, ExportKind] = {
    "logs": ExportKind(Signal.LOGS, _log),
    "traces": ExportKind(Signal.TRACES, _span),
    "metrics_sum": ExportKind(Signal.METRICS, _sum),
    "metrics_gauge": ExportKind(Signal.METRICS, _gauge),
    "metrics_histogram": ExportKind(Signal.METRICS, _histogram),
}


def _attributes(pairs: Any, text: str) -> None:
    """Add the members of a JSON object."""
    for key, value in msgspec.json.decode(text).items():
        _set(pairs.add(key=key).value, value)


def _set(into: Any, value: object) -> None:
    if isinstance(value, str):
        into.string_value = value
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        if value in _INT64:
            into.int_value = value
        else:
            into.string_value = str(value)
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, list):
        into.array_value.SetInParent()
        for one in value:
            _set(into.array_value.values.add(), one)
    elif isinstance(value, dict):
        into.kvlist_value.SetInParent()
        for key, one in value.items():
            _set(into.kvlist_value.values.add(key=key).value, one)
