"""Maps OTLP log records to the columns of the logs table that differ from record to record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.mapping.times import SECOND_US
from otlp2parquet_ext.records.otlp.values import (
    INT32_MAX,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    bits32,
    body_text,
    count32,
    identifier,
    large_counts,
    micros,
    odd_ids,
    read_attributes,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.mapping.attributes import Attributes
    from otlp2parquet_ext.records.otlp.invocation_matching import Belonging


_USUAL_LENGTHS = {(0, 0), (TRACE_ID_BYTES, 0), (TRACE_ID_BYTES, SPAN_ID_BYTES)}


def log_columns(
    records: Sequence[Any],
    of_resource: str | None,
    belonging: Belonging,
    received_us: int,
) -> dict[str, list[Any]]:
    """Return the columns of n records.

    Args:
        records: LogRecord messages of one scope.
        of_resource: the request id that their resource names, or None.
        belonging: finds their invocations.
        received_us: time of the request's receipt: the observed time of a record without one.
    """
    observed = [micros(one.observed_time_unix_nano, received_us) for one in records]
    times = [
        micros(one.time_unix_nano, other) for one, other in zip(records, observed, strict=True)
    ]
    traces = [identifier(one.trace_id, TRACE_ID_BYTES) for one in records]
    fields = [read_attributes(one.attributes) for one in records]
    return {
        "Timestamp": times,
        "TraceId": traces,
        "SpanId": [identifier(one.span_id, SPAN_ID_BYTES) for one in records],
        "TimestampTime": [time - time % SECOND_US for time in times],
        "ObservedTimestamp": observed,
        "TraceFlags": [bits32(one.flags) for one in records],
        "SeverityText": [one.severity_text for one in records],
        "SeverityNumber": [one.severity_number for one in records],
        "Body": [body_text(one) for one in records],
        "LogAttributes": [text(own, _own(one)) for one, own in zip(records, fields, strict=True)],
        "EventName": [one.event_name or None for one in records],
        "FaasInvocationId": [
            belonging.find(own.values, of_resource, trace, time, time)
            for own, trace, time in zip(fields, traces, times, strict=True)
        ],
        "DroppedAttributesCount": [count32(one.dropped_attributes_count) for one in records],
    }


def _own(record: Any) -> Attributes | None:
    lengths = (len(record.trace_id), len(record.span_id))
    if lengths in _USUAL_LENGTHS and record.dropped_attributes_count <= INT32_MAX:
        return None
    return {
        **odd_ids(
            (
                ("trace_id", record.trace_id, TRACE_ID_BYTES),
                ("span_id", record.span_id, SPAN_ID_BYTES),
            )
        ),
        **large_counts(record, ("dropped_attributes_count",)),
    }
