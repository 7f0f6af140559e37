"""The rows that a request must give, computed record by record in the simplest way.

    expected(signal, request, received_us, environment) == comparable(table.to_pylist()) per table

Comparable rows have JSON columns parsed, times as Unix microseconds, and NaN as "nan".
"""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.messages import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.records.mapping.resource import Resource

Row = dict[str, Any]

JSON_COLUMNS = {
    "ResourceAttributes",
    "ScopeAttributes",
    "LogAttributes",
    "SpanAttributes",
    "Attributes",
    "MetricMetadata",
    "Exemplars",
    "EventsAttributes",
    "LinksAttributes",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
_CODES = ["UNSET", "OK", "ERROR"]


def comparable(rows: Iterable[Row]) -> list[Row]:
    """Make rows, as Arrow or DuckDB give them, comparable."""
    return [
        {
            name: _parsed(value) if name in JSON_COLUMNS else _plain(value)
            for name, value in row.items()
        }
        for row in rows
    ]


def without_json_bodies(found: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Parse bodies that are JSON: writers differ in how they spell numbers and escapes."""
    for row in found.get("logs", []):
        if row["Body"] is not None and row["Body"][:1] not in {"", '"'}:
            try:
                row["Body"] = json.loads(row["Body"])
            except ValueError:
                continue
    return found


def _parsed(value: Any) -> object:
    if isinstance(value, list):
        return [json.loads(one) for one in value]
    return json.loads(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return [_plain(one) for one in value] if isinstance(value, list) else value


def any_value(value: Any) -> object:
    """Give an AnyValue as JSON has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [any_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return _json_number(value.double_value)
    return None if kind in {None, "string_value_strindex"} else getattr(value, kind)


def _json_number(value: float) -> object:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def attributes(pairs: Any, **own: object) -> Row:
    """Give attributes as JSON has them, with ours, of which 0, "" and False are left out."""
    given = {pair.key: any_value(pair.value) for pair in pairs}
    return given | {f"otel.{key}": value for key, value in own.items() if value}


def expected(
    signal: Signal, request: Any, received_us: int, environment: Resource
) -> dict[str, list[Row]]:
    """Give the rows a request must give, by table."""
    tables: dict[str, list[Row]] = {}
    resources, scopes = {
        Signal.LOGS: ("resource_logs", "scope_logs"),
        Signal.TRACES: ("resource_spans", "scope_spans"),
        Signal.METRICS: ("resource_metrics", "scope_metrics"),
    }[signal]
    for group in getattr(request, resources):
        for scope in getattr(group, scopes):
            origin = _resource(group, environment) | _scope(scope, empty=signal is Signal.LOGS)
            for name, row in _records(signal, scope, received_us):
                own = _invocation(row.pop("*own"))
                row["FaasInvocationId"] = own or _invocation(group.resource.attributes)
                tables.setdefault(name, []).append(comparable_own(origin | row))
    return tables


def comparable_own(row: Row) -> Row:
    """Make an expected row comparable; its JSON is parsed already."""
    return {name: one if name in JSON_COLUMNS else _plain(one) for name, one in row.items()}


def _invocation(pairs: Any) -> str | None:
    values = {pair.key: pair.value.string_value for pair in pairs}
    return values.get("faas.invocation_id") or None


def _resource(group: Any, environment: Resource) -> Row:
    resource = group.resource
    rest = attributes(
        resource.attributes,
        dropped_attributes_count=resource.dropped_attributes_count,
        entity_refs=[
            {
                "schema_url": one.schema_url,
                "type": one.type,
                "id_keys": list(one.id_keys),
                "description_keys": list(one.description_keys),
            }
            for one in resource.entity_refs
        ],
    )
    row: Row = {"ResourceSchemaUrl": group.schema_url or None}
    for key, column, otherwise in (
        ("service.name", "ServiceName", environment.service_name),
        ("service.namespace", "ServiceNamespace", environment.service_namespace),
    ):
        named = {pair.key: pair.value.string_value for pair in resource.attributes}.get(key)
        row[column] = rest.pop(key) if named else otherwise
    row["ServiceInstanceId"] = environment.service_instance_id
    own = environment.service_instance_id
    if not own or rest.get("service.instance.id") == own:  # the attribute may be of any type
        named = {pair.key: pair.value.string_value for pair in resource.attributes}
        if named.get("service.instance.id"):
            row["ServiceInstanceId"] = rest.pop("service.instance.id")
    return row | {"ResourceAttributes": json.loads(environment.attributes) | rest}


def _scope(group: Any, *, empty: bool) -> Row:
    scope = group.scope
    return {
        "ScopeName": scope.name or ("" if empty else None),
        "ScopeVersion": scope.version or None,
        "ScopeAttributes": attributes(
            scope.attributes, dropped_attributes_count=scope.dropped_attributes_count
        ),
        "ScopeSchemaUrl": group.schema_url or None,
    }


def _records(signal: Signal, scope: Any, received_us: int) -> Iterable[tuple[str, Row]]:
    if signal is Signal.LOGS:
        for record in scope.log_records:
            yield "logs", _log(record, received_us)
    elif signal is Signal.TRACES:
        for span in scope.spans:
            yield "traces", _span(span, received_us)
    else:
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                yield f"metrics_{kind}", _point(metric, kind, point, received_us)


def _us(nanoseconds: int, otherwise: Any) -> Any:
    return otherwise if nanoseconds == 0 else nanoseconds // 1000


def _id(raw: bytes, length: int) -> str | None:
    return None if len(raw) != length or raw == bytes(length) else raw.hex()


def _odd(raw: bytes, length: int) -> str:
    return "" if len(raw) == length else raw.hex()


def _flags(value: int) -> int:
    return int.from_bytes(value.to_bytes(4, "big"), "big", signed=True)


def _count(value: int) -> int:
    return min(value, 2**31 - 1)


def _large(value: int) -> int:
    return value if value > 2**31 - 1 else 0


def _log(record: Any, received_us: int) -> Row:
    observed = _us(record.observed_time_unix_nano, received_us)
    time = _us(record.time_unix_nano, observed)
    body = any_value(record.body)
    kept_as_text = record.body.WhichOneof("value") in {"string_value", "bytes_value"}
    if body is not None and not kept_as_text and body not in ("NaN", "Infinity", "-Infinity"):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return {
        "Timestamp": time,
        "TraceId": _id(record.trace_id, 16),
        "SpanId": _id(record.span_id, 8),
        "TimestampTime": time // 1_000_000 * 1_000_000,
        "ObservedTimestamp": observed,
        "TraceFlags": _flags(record.flags),
        "SeverityText": record.severity_text,
        "SeverityNumber": record.severity_number,
        "Body": body,
        "LogAttributes": attributes(
            record.attributes,
            trace_id=_odd(record.trace_id, 16),
            span_id=_odd(record.span_id, 8),
            dropped_attributes_count=_large(record.dropped_attributes_count),
        ),
        "EventName": record.event_name or None,
        "DroppedAttributesCount": _count(record.dropped_attributes_count),
        "*own": record.attributes,
    }


def _enum(prefix: str, names: list[str], value: int) -> str:
    return prefix + names[value] if value in range(len(names)) else str(value)


def _span(span: Any, received_us: int) -> Row:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    time = _us(start or end, received_us)
    duration = end - start if 0 < start <= end < start + 2**63 else 0
    own: dict[str, Any] = {
        "parent_span_id": _odd(span.parent_span_id, 8),
        "end_time_unix_nano": "" if start + duration == end else str(end),
        "dropped_attributes_count": _large(span.dropped_attributes_count),
        "dropped_events_count": _large(span.dropped_events_count),
        "dropped_links_count": _large(span.dropped_links_count),
    }
    has_status = span.HasField("status")
    return {
        "Timestamp": time,
        "TraceId": span.trace_id.hex(),
        "SpanId": span.span_id.hex(),
        "ParentSpanId": _id(span.parent_span_id, 8),
        "TraceState": span.trace_state or None,
        "SpanName": span.name,
        "SpanKind": _enum("SPAN_KIND_", _KINDS, span.kind),
        "SpanAttributes": attributes(span.attributes, **own),
        "Duration": duration,
        "StatusCode": _enum("STATUS_CODE_", _CODES, span.status.code) if has_status else None,
        "StatusMessage": span.status.message or None,
        "EventsTimestamp": [_us(one.time_unix_nano, time) for one in span.events],
        "EventsName": [one.name for one in span.events],
        "EventsAttributes": [
            attributes(one.attributes, dropped_attributes_count=one.dropped_attributes_count)
            for one in span.events
        ],
        "LinksTraceId": [one.trace_id.hex() for one in span.links],
        "LinksSpanId": [one.span_id.hex() for one in span.links],
        "LinksTraceState": [one.trace_state or None for one in span.links],
        "LinksAttributes": [
            attributes(
                one.attributes,
                dropped_attributes_count=one.dropped_attributes_count,
                flags=one.flags,
            )
            for one in span.links
        ],
        "TraceFlags": _flags(span.flags),
        "DroppedAttributesCount": _count(span.dropped_attributes_count),
        "DroppedEventsCount": _count(span.dropped_events_count),
        "DroppedLinksCount": _count(span.dropped_links_count),
        "*own": span.attributes,
    }


def _point(metric: Any, kind: str, point: Any, received_us: int) -> Row:
    data = getattr(metric, kind)
    row: Row = {
        "Timestamp": _us(point.time_unix_nano, received_us),
        "StartTimestamp": _us(point.start_time_unix_nano, None),
        "MetricName": metric.name,
        "MetricDescription": metric.description or None,
        "MetricUnit": metric.unit or None,
        "MetricMetadata": attributes(metric.metadata),
        "Attributes": attributes(point.attributes),
        "Flags": _flags(point.flags),
        "*own": point.attributes,
    }
    if kind != "summary":
        row["Exemplars"] = [_exemplar(one) for one in point.exemplars]
    if kind not in {"gauge", "summary"}:
        row["AggregationTemporality"] = data.aggregation_temporality
    if kind == "sum":
        row["IsMonotonic"] = data.is_monotonic
    if kind in {"gauge", "sum"}:
        number = getattr(point, point.WhichOneof("value"))
        row["Value"] = float(number)
        if isinstance(number, int) and int(float(number)) != number:
            row["Attributes"]["otel.value_int"] = str(number)
        return row
    return row | {"Count": point.count, "Sum": point.sum} | _distribution(kind, point, row)


def _distribution(kind: str, point: Any, row: Row) -> Row:
    if kind == "summary":
        return {
            "QuantileValues": [one.value for one in point.quantile_values],
            "QuantileQuantiles": [one.quantile for one in point.quantile_values],
        }
    if not point.HasField("sum"):
        row["Attributes"]["otel.no_sum"] = True
    found = {name.capitalize(): getattr(point, name) for name in ("min", "max")}
    found = {name: value if point.HasField(name.lower()) else None for name, value in found.items()}
    if kind == "histogram":
        return found | {
            "BucketCounts": list(point.bucket_counts),
            "ExplicitBounds": list(point.explicit_bounds),
        }
    return found | {
        "Scale": point.scale,
        "ZeroCount": point.zero_count,
        "ZeroThreshold": point.zero_threshold,
        "PositiveOffset": point.positive.offset,
        "PositiveBucketCounts": list(point.positive.bucket_counts),
        "NegativeOffset": point.negative.offset,
        "NegativeBucketCounts": list(point.negative.bucket_counts),
    }


def _exemplar(exemplar: Any) -> Row:
    kind = exemplar.WhichOneof("value")
    found: Row = {}
    if exemplar.time_unix_nano:
        found["time_unix_nano"] = str(exemplar.time_unix_nano)
    if kind:
        found["value"] = _json_number(getattr(exemplar, kind))
    if exemplar.trace_id:
        found["trace_id"] = exemplar.trace_id.hex()
    if exemplar.span_id:
        found["span_id"] = exemplar.span_id.hex()
    if exemplar.filtered_attributes:
        found["filtered_attributes"] = attributes(exemplar.filtered_attributes)
    return found
