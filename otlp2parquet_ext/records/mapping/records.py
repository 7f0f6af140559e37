"""Function and extension records, and those of types nobody knows: what each part of one means.

A record is text, a JSON object, or, from odd tools, any other JSON value; all are kept. What is
understood (message, level, time, request, trace) moves to its column; what is not stays an
attribute under its own name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.mapping.attributes import Attributes, exception
from otlp2parquet_ext.records.mapping.fields import Fields, Values, encode
from otlp2parquet_ext.records.mapping.severity import UNSPECIFIED, Severity, severity, text_line
from otlp2parquet_ext.records.mapping.shapes import (
    LEVEL_KEYS,
    NESTING_KEYS,
    OWN_REQUEST_KEYS,
    REQUEST_KEYS,
    TIME_KEYS,
    TRACE_KEYS,
)
from otlp2parquet_ext.records.mapping.times import (
    NEAR_US,
    SECOND_US,
    Clock,
    has_fraction,
    is_near,
)
from otlp2parquet_ext.records.mapping.trace import Trace, span_id, trace_flags, trace_id

if TYPE_CHECKING:
    from collections.abc import Callable


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

    Source: `severity.text_line`, which names the runtimes' formats.
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

    def __init__(
        self, clock: Clock, is_invocation: Callable[[str], bool], near_us: int = NEAR_US
    ) -> None:
        """Read times with a clock of the same batch.

        Args:
            clock: of the batch.
            is_invocation: tells whether an id is that of an invocation; see `Invocations`.
            near_us: as for `Mapper`.
        """
        self._is_invocation = is_invocation
        self._near_us = near_us
        self._read_time = clock.read
        self._severity = cache(severity)
        self._rooted = cache(_rooted)

    def read(self, fields: Fields, event_us: int) -> Reading:
        """Read a JSON object record; take what has its place in a column out of `fields.rest`.

        Args:
            fields: the record.
            event_us: the event's own time.

        Source: OpenTelemetry, "Logs Data Model"; AWS Lambda developer guide, "Configuring
        JSON and plain text log formats"; decision 0016.
        """
        values, rest = fields.values, fields.rest
        error = values
        message = values.get("message", values)  # itself where there is none
        if isinstance(message, str):
            body: str | bytes | None = message
            del rest["message"]
        elif message is values:
            body = _other_body(fields)
        else:
            body = None if message is None else encode(rest["message"])
            error = _described(values, message)
            del rest["message"]
        return Reading(
            body,
            self._level(values, rest),
            self._request_id(values, rest),
            self._time(values, rest, event_us),
            self._trace(values, rest),
            exception(error),
        )

    def _request_id(self, values: Values, rest: Values) -> str | None:
        for key in REQUEST_KEYS:
            request_id = values.get(key)
            if isinstance(request_id, str) and self._counts(key, request_id):
                del rest[key]
                return request_id
        # What is nested stays where it is.
        for name in NESTING_KEYS:
            nested = values.get(name)
            for inner in nested if isinstance(nested, list) else (nested,):
                if not isinstance(inner, dict):
                    continue
                for key in REQUEST_KEYS:
                    request_id = inner.get(key)
                    if isinstance(request_id, str) and self._counts(key, request_id):
                        return request_id
        return None

    def _counts(self, key: str, request_id: str) -> bool:
        return bool(request_id) and (key in OWN_REQUEST_KEYS or self._is_invocation(request_id))

    def _level(self, values: Values, rest: Values) -> Severity:
        for key in LEVEL_KEYS:
            level = values.get(key)
            if isinstance(level, str) and level:
                del rest[key]
                return self._severity(level)
        return UNSPECIFIED

    def _time(self, values: Values, rest: Values, event_us: int) -> int | None:
        for key in TIME_KEYS:
            text = values.get(key)
            if not isinstance(text, str) or (time_us := self._read_time(text)) is None:
                continue
            if not is_near(time_us, event_us, self._near_us):
                return None  # the time of something the record tells about: an attribute
            if has_fraction(text) or abs(time_us - event_us) >= SECOND_US:
                del rest[key]
                return time_us
            if time_us == event_us - event_us % SECOND_US:
                del rest[key]  # the row's own time says as much
            return None
        return None

    def _trace(self, values: Values, rest: Values) -> Trace | None:
        for key in TRACE_KEYS:
            text = values.get(key)
            trace = self._rooted(text) if isinstance(text, str) else None
            if trace is not None:
                del rest[key]
                if "span_id" in values or "trace_flags" in values:
                    return _with_span(trace, values, rest)
                return trace
        return None


def _rooted(text: str) -> Trace | None:
    found = trace_id(text)
    return None if found is None else Trace(found)


def _with_span(trace: Trace, values: Values, rest: Values) -> Trace:
    span = span_id(values.get("span_id"))
    if span is not None:
        del rest["span_id"]
    flags = trace_flags(values.get("trace_flags"))
    if flags is not None:
        del rest["trace_flags"]
    return Trace(trace.trace_id, span, flags or 0)


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
