"""The logs table: one row per OTLP log record, 22 columns.

`COLUMNS` is the table in plain Python, from which the documentation is generated. `LOGS` is the
same as a pyarrow schema in PascalCase, and `log_schema` in the case that a catalog needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.records.tables.columns import Column, Encoding, arrow_schema, named

if TYPE_CHECKING:
    import pyarrow as pa

_DICTIONARY = Encoding.DICTIONARY
_PLAIN = Encoding.PLAIN
_DELTA = Encoding.DELTA_BINARY_PACKED

COLUMNS: tuple[Column, ...] = (
    Column(
        1,
        "Timestamp",
        "timestamptz",
        nullable=False,
        doc="When the event happened, in microseconds.",
        encoding=_DELTA,
    ),
    Column(
        2,
        "TraceId",
        "string",
        nullable=True,
        doc="Trace id as 32 lower-case hex digits; null when unset.",
        encoding=_DICTIONARY,
        bloom_filter=True,
    ),
    Column(
        3,
        "SpanId",
        "string",
        nullable=True,
        doc="Span id as 16 lower-case hex digits; null when unset.",
        encoding=_PLAIN,
    ),
    Column(
        4,
        "ServiceName",
        "string",
        nullable=False,
        doc="Resource attribute `service.name`; `unknown_service` when nothing names it.",
        encoding=_DICTIONARY,
    ),
    Column(
        5,
        "ServiceNamespace",
        "string",
        nullable=True,
        doc="Resource attribute `service.namespace`; null when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        6,
        "ServiceInstanceId",
        "string",
        nullable=True,
        doc="Resource attribute `service.instance.id`: one execution environment.",
        encoding=_DICTIONARY,
    ),
    Column(
        7,
        "ResourceAttributes",
        "string",
        nullable=False,
        doc="All other resource attributes, as a JSON object.",
        encoding=_DICTIONARY,
        bounds=False,
    ),
    Column(
        8,
        "ResourceSchemaUrl",
        "string",
        nullable=True,
        doc="Schema URL of the resource; null when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        9,
        "ScopeName",
        "string",
        nullable=False,
        doc="What made the record: the instrumentation scope's name; empty when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        10,
        "ScopeVersion",
        "string",
        nullable=True,
        doc="Version of the instrumentation scope; null when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        11,
        "ScopeAttributes",
        "string",
        nullable=False,
        doc="Attributes of the instrumentation scope, as a JSON object.",
        encoding=_DICTIONARY,
        bounds=False,
    ),
    Column(
        12,
        "ScopeSchemaUrl",
        "string",
        nullable=True,
        doc="Schema URL of the scope; null when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        13,
        "TimestampTime",
        "timestamptz",
        nullable=False,
        doc="`Timestamp` truncated to the second.",
        encoding=_DELTA,
    ),
    Column(
        14,
        "ObservedTimestamp",
        "timestamptz",
        nullable=False,
        doc="When the extension received the delivery, in microseconds.",
        encoding=_DELTA,
    ),
    Column(
        15,
        "TraceFlags",
        "int",
        nullable=False,
        doc="W3C trace flags; bit 0 is `sampled`; 0 when unset.",
        encoding=_DICTIONARY,
    ),
    Column(
        16,
        "SeverityText",
        "string",
        nullable=False,
        doc="The level as the source wrote it; empty when none.",
        encoding=_DICTIONARY,
    ),
    Column(
        17,
        "SeverityNumber",
        "int",
        nullable=False,
        doc="OpenTelemetry severity number, 1 to 24; 0 when unspecified.",
        encoding=_DICTIONARY,
    ),
    Column(
        18,
        "Body",
        "string",
        nullable=True,
        doc="The message; text as it is, anything else as JSON; null when unset.",
        encoding=_PLAIN,
        bounds=False,
    ),
    Column(
        19,
        "LogAttributes",
        "string",
        nullable=False,
        doc="Everything else the record carries, as a JSON object.",
        encoding=_PLAIN,
        bounds=False,
    ),
    Column(
        20,
        "EventName",
        "string",
        nullable=True,
        doc="Type of the event, for example `function` or `platform.report`.",
        encoding=_DICTIONARY,
    ),
    Column(
        21,
        "FaasInvocationId",
        "string",
        nullable=True,
        doc="Request id of the invocation the record belongs to; null outside invocations.",
        encoding=_DICTIONARY,
        bloom_filter=True,
    ),
    Column(
        22,
        "DroppedAttributesCount",
        "int",
        nullable=False,
        doc="Number of fields of the record that were not stored; normally 0.",
        encoding=_DICTIONARY,
    ),
)


def log_schema(*, lower_case: bool = False) -> pa.Schema:
    """Return the logs table's Arrow schema, in PascalCase or in lower case."""
    return arrow_schema(named(COLUMNS, lower_case=lower_case))


LOGS: pa.Schema = log_schema()
