"""Function and extension records, and those of types nobody knows: what each part of one means.

A record is text, a JSON object, or, from odd tools, any other JSON value; all are kept. What is
understood (message, level, time, request, trace) moves to its column; what is not stays an
attribute under its own name.
"""

from __future__ import annotations

from functools import cache

import msgspec

from otlp2parquet_ext.mapping.attributes import Attributes, exception
from otlp2parquet_ext.mapping.fields import Fields, Values, encode
from otlp2parquet_ext.mapping.severity import UNSPECIFIED, Severity, severity, text_line
from otlp2parquet_ext.mapping.times import SECOND_US, Clock, has_fraction
from otlp2parquet_ext.mapping.trace import Trace, span_id, trace_flags, trace_id

_LEVEL_KEYS = ("level", "log_level", "severity", "levelname")
_TIME_KEYS = ("timestamp", "time", "ts")
_REQUEST_KEYS = (
    "requestId",
    "AWSRequestId",
    "awsRequestId",
    "function_request_id",
    "aws_request_id",
)
_TRACE_KEYS = ("trace_id", "xray_trace_id", "traceId")


class Reading(msgspec.Struct, gc=False):
    """What a record says.

    Attributes:
        body: text, or JSON text; None when unset.
        severity: from its level.
        request_id: None when the record names none.
        time_us: the record's own time where it replaces the event's, else None.
        trace: the record's own trace context, None when it has none.
        own: attributes we add, if any.
    """

    body: str | bytes | None
    severity: Severity = UNSPECIFIED
    request_id: str | None = None
    time_us: int | None = None
    trace: Trace | None = None
    own: Attributes | None = None


def read_text(text: str) -> Reading:
    """Read a text record; at most one trailing line break is dropped from its body.

    Source: reference otlp-mapping.md, sections 5, 6, 10; telemetry-events.md, section 4.1.
    """
    level, request_id = text_line(text)
    return Reading(without_line_break(text), level, request_id or None)


def without_line_break(text: str) -> str:
    """Drop one line break at the end, if any."""
    if text.endswith("\n"):
        return text[:-2] if text.endswith("\r\n") else text[:-1]
    return text.removesuffix("\r")


class ObjectReader:
    """Reads JSON object records, and remembers what levels and trace ids meant.

    Levels and traces repeat; the memory lasts as long as the reader, which is one batch.
    """

    def __init__(self, clock: Clock) -> None:
        """Read times with a clock of the same batch."""
        self._read_time = clock.read
        self._severity = cache(severity)
        self._trace_id = cache(trace_id)

    def read(self, fields: Fields, event_us: int) -> Reading:
        """Read a JSON object record; take what has its place in a column out of `fields.rest`.

        Args:
            fields: the record.
            event_us: the event's own time.

        Source: reference otlp-mapping.md, sections 4 to 8; telemetry-events.md, section 4.2.
        """
        values = fields.values
        error = values
        if "message" in values:
            message = values["message"]
            if isinstance(message, str):
                body: str | bytes | None = message
            else:
                body = None if message is None else encode(fields.rest["message"])
                error = _described(values, message)
            del fields.rest["message"]
        else:
            body = _other_body(fields)
        return Reading(
            body,
            self._level(fields),
            _request_id(fields),
            self._time(fields, event_us),
            self._trace(fields),
            exception(error),
        )

    def _level(self, fields: Fields) -> Severity:
        values = fields.values
        for key in _LEVEL_KEYS:
            if key in values:
                level = values[key]
                if isinstance(level, str) and level:
                    del fields.rest[key]
                    return self._severity(level)
        return UNSPECIFIED

    def _time(self, fields: Fields, event_us: int) -> int | None:
        for key in _TIME_KEYS:
            text = fields.values.get(key)
            time_us = self._read_time(text) if isinstance(text, str) else None
            if time_us is None:
                continue
            if has_fraction(str(text)) or abs(time_us - event_us) >= SECOND_US:
                del fields.rest[key]
                return time_us
            if time_us == event_us - event_us % SECOND_US:
                del fields.rest[key]  # the row's own time says as much
            return None
        return None

    def _trace(self, fields: Fields) -> Trace | None:
        values = fields.values
        for key in _TRACE_KEYS:
            if key not in values:
                continue
            text = values[key]
            trace = self._trace_id(text) if isinstance(text, str) else None
            if trace is not None:
                del fields.rest[key]
                return _with_span(trace, fields)
        return None


def _with_span(trace: str, fields: Fields) -> Trace:
    span = span_id(fields.values.get("span_id"))
    if span is not None:
        del fields.rest["span_id"]
    flags = trace_flags(fields.values.get("trace_flags"))
    if flags is not None:
        del fields.rest["trace_flags"]
    return Trace(trace, span, flags or 0)


def _described(values: Values, message: object) -> Values:
    """Give the object that describes an error: a structured message, if the record does not."""
    if isinstance(message, dict) and "errorType" not in values and "errorMessage" not in values:
        return message
    return values


def _other_body(fields: Fields) -> str | bytes:
    values = fields.values
    text = values.get("msg")
    if isinstance(text, str):
        del fields.rest["msg"]
        return text
    nested = values.get("fields")
    text = nested.get("message") if isinstance(nested, dict) else None
    if isinstance(text, str):
        return text
    text = values.get("errorMessage")
    return text if isinstance(text, str) else fields.text


def _request_id(fields: Fields) -> str | None:
    values = fields.values
    for key in _REQUEST_KEYS:
        if key in values:
            request_id = values[key]
            if isinstance(request_id, str) and request_id:
                del fields.rest[key]
                return request_id
    return None
