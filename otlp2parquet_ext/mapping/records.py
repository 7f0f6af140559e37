"""Function and extension records, and those of types nobody knows: what each part of one means.

A record is text, a JSON object, or, from odd tools, any other JSON value; all are kept. What is
understood (message, level, time, request, trace) moves to its column; what is not stays an
attribute under its own name.
"""

from __future__ import annotations

from typing import NamedTuple

from otlp2parquet_ext.mapping.attributes import Attributes, exception
from otlp2parquet_ext.mapping.fields import Fields, Values, encode
from otlp2parquet_ext.mapping.severity import UNSPECIFIED, Severity, severity, text_line
from otlp2parquet_ext.mapping.times import SECOND_US, has_fraction, parse_time
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


class Reading(NamedTuple):
    """What a record says.

    Attributes:
        body: text, or JSON text; None when unset.
        request_id: "" when the record names none.
        time_us: the record's own time where it replaces the event's, else None.
        trace: the record's own trace context, None when it has none.
        own: attributes we add, if any.
        consumed: keys whose value has its place in a column.
    """

    body: str | bytes | None
    severity: Severity = UNSPECIFIED
    request_id: str = ""
    time_us: int | None = None
    trace: Trace | None = None
    own: Attributes | None = None
    consumed: tuple[str, ...] = ()


def read_text(text: str) -> Reading:
    """Read a text record; at most one trailing line break is dropped from its body.

    Source: reference otlp-mapping.md, sections 5, 6, 10; telemetry-events.md, section 4.1.
    """
    level, request_id = text_line(text)
    return Reading(without_line_break(text), level, request_id)


def without_line_break(text: str) -> str:
    """Drop one line break at the end, if any."""
    if text.endswith("\n"):
        return text[:-2] if text.endswith("\r\n") else text[:-1]
    return text.removesuffix("\r")


def read_object(fields: Fields, event_us: int) -> Reading:
    """Read a JSON object record.

    Args:
        fields: the record.
        event_us: the event's own time.

    Source: reference otlp-mapping.md, sections 4 to 8; telemetry-events.md, section 4.2.
    """
    values = fields.values
    consumed: list[str] = []
    level = _level(values, consumed)
    body, error = _message(fields, consumed)
    time_us = _time(values, event_us, consumed)
    request_id = _request_id(values, consumed)
    trace = _trace(values, consumed)
    own = exception(error)
    return Reading(body, level, request_id, time_us, trace, own, tuple(consumed))


def _level(values: Values, consumed: list[str]) -> Severity:
    for key in _LEVEL_KEYS:
        level = values.get(key)
        if isinstance(level, str) and level:
            consumed.append(key)
            return severity(level)
    return UNSPECIFIED


def _message(fields: Fields, consumed: list[str]) -> tuple[str | bytes | None, Values]:
    """Give the body, and the object in which an error would be described."""
    values = fields.values
    if "message" in values:
        consumed.append("message")
        message = values["message"]
        if isinstance(message, str):
            return message, values
        described = message if isinstance(message, dict) and not _has_error(values) else values
        return (None if message is None else encode(fields.rest["message"])), described
    if isinstance(values.get("msg"), str):
        consumed.append("msg")
        return str(values["msg"]), values
    nested = values.get("fields")
    for text in (
        nested.get("message") if isinstance(nested, dict) else None,
        values.get("errorMessage"),
    ):
        if isinstance(text, str):
            return text, values
    return fields.text, values


def _has_error(values: Values) -> bool:
    return "errorType" in values or "errorMessage" in values


def _time(values: Values, event_us: int, consumed: list[str]) -> int | None:
    for key in _TIME_KEYS:
        text = values.get(key)
        time_us = parse_time(text) if isinstance(text, str) else None
        if time_us is None:
            continue
        if has_fraction(str(text)) or abs(time_us - event_us) >= SECOND_US:
            consumed.append(key)
            return time_us
        if time_us == event_us - event_us % SECOND_US:
            consumed.append(key)  # the row's own time says as much
        return None
    return None


def _request_id(values: Values, consumed: list[str]) -> str:
    for key in _REQUEST_KEYS:
        request_id = values.get(key)
        if isinstance(request_id, str) and request_id:
            consumed.append(key)
            return request_id
    return ""


def _trace(values: Values, consumed: list[str]) -> Trace | None:
    for key in _TRACE_KEYS:
        if key in values and (trace := trace_id(values[key])) is not None:
            consumed.append(key)
            break
    else:
        return None
    span = span_id(values.get("span_id"))
    if span is not None:
        consumed.append("span_id")
    flags = trace_flags(values.get("trace_flags"))
    if flags is not None:
        consumed.append("trace_flags")
    return Trace(trace, span, flags or 0)
