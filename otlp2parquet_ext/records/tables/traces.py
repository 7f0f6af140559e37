"""The traces table: one row per OTLP span, 32 columns.

`COLUMNS` is the table in plain Python, `TRACES` the same as a pyarrow schema in PascalCase. The
events of a span are in lists of equal length: the first event's name is in `EventsName[1]`, its
attributes in `EventsAttributes[1]`. Links are stored in the same way.

Source: opentelemetry-proto, trace.proto; otlp2parquet v0.3.0, its Arrow schemas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from otlp2parquet_ext.records.tables.columns import Column, arrow_schema, numbered
from otlp2parquet_ext.records.tables.shared import (
    DELTA,
    FAAS_INVOCATION_ID,
    MORE_OF_RESOURCE_AND_SCOPE,
    PLAIN,
    RESOURCE_ATTRIBUTES,
    SCOPE,
    column,
)

if TYPE_CHECKING:
    import pyarrow as pa

_SPAN: tuple[Column, ...] = (
    column(
        "Timestamp",
        "timestamptz",
        "When the span began, in microseconds.",
        encoding=DELTA,
    ),
    column(
        "TraceId",
        "string",
        "Trace id as 32 lower-case hex digits.",
        bloom_filter=True,
    ),
    column(
        "SpanId",
        "string",
        "Span id as 16 lower-case hex digits.",
        encoding=PLAIN,
    ),
    column(
        "ServiceName",
        "string",
        "Resource attribute `service.name`; `unknown_service` when nothing names it.",
        nullable=True,
    ),
    RESOURCE_ATTRIBUTES,
    *SCOPE,
    column(
        "ParentSpanId",
        "string",
        "Span id of the parent as 16 lower-case hex digits; null for roots.",
        nullable=True,
        encoding=PLAIN,
    ),
    column(
        "TraceState",
        "string",
        "W3C `tracestate` of the span; null when empty.",
        nullable=True,
    ),
    column(
        "SpanName",
        "string",
        "Name of the span: the operation.",
    ),
    column(
        "SpanKind",
        "string",
        "`SPAN_KIND_` and one of `UNSPECIFIED`, `INTERNAL`, `SERVER`, `CLIENT`, `PRODUCER`, "
        "`CONSUMER`.",
    ),
    column(
        "SpanAttributes",
        "string",
        "Attributes of the span, as a JSON object.",
        encoding=PLAIN,
        bounds=False,
    ),
    column(
        "Duration",
        "long",
        "How long the span took, in nanoseconds; 0 when it ended before it began.",
        encoding=PLAIN,
    ),
    column(
        "StatusCode",
        "string",
        "`STATUS_CODE_UNSET`, `STATUS_CODE_OK` or `STATUS_CODE_ERROR`; null without a status.",
        nullable=True,
    ),
    column(
        "StatusMessage",
        "string",
        "What the status says; null when it says nothing.",
        nullable=True,
    ),
)
_EVENTS_AND_LINKS: tuple[Column, ...] = (
    column(
        "EventsTimestamp",
        "list<timestamptz>",
        "When each event of the span happened, in microseconds.",
        encoding=DELTA,
    ),
    column(
        "EventsName",
        "list<string>",
        "Name of each event.",
    ),
    column(
        "EventsAttributes",
        "list<string>",
        "Attributes of each event, as a JSON object; `otel.dropped_attributes_count` is among "
        "them when it is not 0.",
        encoding=PLAIN,
    ),
    column(
        "LinksTraceId",
        "list<string>",
        "Trace id of each span this one links to, as 32 lower-case hex digits.",
    ),
    column(
        "LinksSpanId",
        "list<string>",
        "Span id of each span this one links to, as 16 lower-case hex digits.",
        encoding=PLAIN,
    ),
    replace(
        column(
            "LinksTraceState",
            "list<string>",
            "W3C `tracestate` of each link; a null element when empty.",
        ),
        element_nullable=True,
    ),
    column(
        "LinksAttributes",
        "list<string>",
        "Attributes of each link, as a JSON object; `otel.dropped_attributes_count` and "
        "`otel.flags` are among them when they are not 0.",
        encoding=PLAIN,
    ),
)
_MORE: tuple[Column, ...] = (
    *MORE_OF_RESOURCE_AND_SCOPE,
    column(
        "TraceFlags",
        "int",
        "Flags of the span: bits 0 to 7 are W3C trace flags, bit 8 that it is known whether the "
        "parent is remote, bit 9 that it is; 0 when unset.",
    ),
    FAAS_INVOCATION_ID,
    column(
        "DroppedAttributesCount",
        "int",
        "Attributes the source dropped from the span.",
    ),
    column(
        "DroppedEventsCount",
        "int",
        "Events the source dropped from the span.",
    ),
    column(
        "DroppedLinksCount",
        "int",
        "Links the source dropped from the span.",
    ),
)

COLUMNS: tuple[Column, ...] = numbered((*_SPAN, *_EVENTS_AND_LINKS, *_MORE))

TRACES: pa.Schema = arrow_schema(COLUMNS)
