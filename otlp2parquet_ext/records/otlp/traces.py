"""Maps OTLP spans to the columns of the traces table that differ from span to span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.values import (
    SPAN_ID_BYTES,
    bits32,
    count32,
    dropped,
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

_INT64_MAX = 2**63 - 1
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS_CODES = ("UNSET", "OK", "ERROR")
_COUNTS = ("dropped_attributes_count", "dropped_events_count", "dropped_links_count")


def span_columns(
    spans: Sequence[Any],
    of_resource: str | None,
    belonging: Belonging,
    received_us: int,
) -> dict[str, list[Any]]:
    """Return the columns of n spans.

    Args:
        spans: Span messages of one scope, each with its ids.
        of_resource: the request id that their resource names, or None.
        belonging: finds their invocations.
        received_us: time of the request's receipt: the time of a span without times.
    """
    times = [
        micros(one.start_time_unix_nano or one.end_time_unix_nano, received_us) for one in spans
    ]
    traces = [one.trace_id.hex() for one in spans]
    durations = [_duration(one) for one in spans]
    fields = [read_attributes(one.attributes) for one in spans]
    return {
        "Timestamp": times,
        "TraceId": traces,
        "SpanId": [one.span_id.hex() for one in spans],
        "ParentSpanId": [identifier(one.parent_span_id, SPAN_ID_BYTES) for one in spans],
        "TraceState": [one.trace_state or None for one in spans],
        "SpanName": [one.name for one in spans],
        "SpanKind": [_name("SPAN_KIND_", _KINDS, one.kind) for one in spans],
        "SpanAttributes": [
            text(own, _own(one, duration))
            for one, own, duration in zip(spans, fields, durations, strict=True)
        ],
        "Duration": durations,
        "StatusCode": [
            _name("STATUS_CODE_", _STATUS_CODES, one.status.code)
            if one.HasField("status")
            else None
            for one in spans
        ],
        "StatusMessage": [one.status.message or None for one in spans],
        **_events([one.events for one in spans], times),
        **_links([one.links for one in spans]),
        "TraceFlags": [bits32(one.flags) for one in spans],
        "FaasInvocationId": [
            belonging.find(own.values, of_resource, trace, time, time)
            for own, trace, time in zip(fields, traces, times, strict=True)
        ],
        "DroppedAttributesCount": [count32(one.dropped_attributes_count) for one in spans],
        "DroppedEventsCount": [count32(one.dropped_events_count) for one in spans],
        "DroppedLinksCount": [count32(one.dropped_links_count) for one in spans],
    }


def _events(events: Sequence[Any], times: Sequence[int]) -> dict[str, list[Any]]:
    return {
        "EventsTimestamp": [
            [micros(one.time_unix_nano, time) for one in of_span]
            for of_span, time in zip(events, times, strict=True)
        ],
        "EventsName": [[one.name for one in of_span] for of_span in events],
        "EventsAttributes": [
            [text(read_attributes(one.attributes), dropped(one)) for one in of_span]
            for of_span in events
        ],
    }


def _links(links: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        "LinksTraceId": [[one.trace_id.hex() for one in of_span] for of_span in links],
        "LinksSpanId": [[one.span_id.hex() for one in of_span] for of_span in links],
        "LinksTraceState": [[one.trace_state or None for one in of_span] for of_span in links],
        "LinksAttributes": [
            [text(read_attributes(one.attributes), _own_of_link(one)) for one in of_span]
            for of_span in links
        ],
    }


def _own_of_link(link: Any) -> Attributes:
    own = dropped(link) or {}
    if link.flags:
        own["otel.flags"] = link.flags
    return own


def _duration(span: Any) -> int:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    return end - start if start and start <= end <= start + _INT64_MAX else 0


def _own(span: Any, duration: int) -> Attributes:
    own = {
        **odd_ids((("parent_span_id", span.parent_span_id, SPAN_ID_BYTES),)),
        **large_counts(span, _COUNTS),
    }
    end = span.end_time_unix_nano
    if end != span.start_time_unix_nano + duration:
        own["otel.end_time_unix_nano"] = str(end)
    return own


def _name(prefix: str, names: Sequence[str], value: int) -> str:
    """Return an enum's name; for an unknown value, its number."""
    return f"{prefix}{names[value]}" if 0 <= value < len(names) else str(value)
