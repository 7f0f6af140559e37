"""Reads records of functions, of extensions and of unknown types: the meaning of each part.

A record is text, a JSON object or, from some tools, any other JSON value; all are kept. Understood
parts (message, level, time, request, trace) move to their columns; the others stay attributes under
their own names.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.mapping.attributes import Attributes, exception
from otlp2parquet_ext.records.mapping.fields import Fields, Values, encode
from otlp2parquet_ext.records.mapping.severity import (
    ERROR,
    INFO,
    UNSPECIFIED,
    Severity,
    numeric_severity,
    otel_severity,
    severity,
)
from otlp2parquet_ext.records.mapping.shapes import (
    ERROR_KEYS,
    ERROR_OBJECT_KEYS,
    ERROR_PARTS,
    OWN_REQUEST_KEYS,
    REQUEST_KEYS,
    KeysByKind,
    keys_by_kind,
)
from otlp2parquet_ext.records.mapping.text_lines import text_line
from otlp2parquet_ext.records.mapping.times import (
    NEAR_US,
    SECOND_US,
    Clock,
    epoch_near,
    has_fraction,
    is_near,
)
from otlp2parquet_ext.records.mapping.trace import (
    NO_TRACE,
    Trace,
    parse_header,
    span_id,
    trace_flags,
    trace_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Reading(msgspec.Struct, gc=False):
    """The parts of a record.

    Attributes:
        body: text, or JSON text; None if unset.
        severity: from its level.
        request_id: None if the record names none.
        time_us: the record's own time if it replaces the event's, else None.
        trace: the record's own trace context; None if it has none.
        own: attributes that we add, if any.
    """

    body: str | bytes | None
    severity: Severity = UNSPECIFIED
    request_id: str | None = None
    time_us: int | None = None
    trace: Trace | None = None
    own: Attributes | None = None


def read_text(text: str) -> Reading:
    """Read a text record; one trailing line break is removed from its body.

    Source: `text_lines.text_line`, which names the runtimes' formats.
    """
    level, request_id = text_line(text)
    return Reading(without_line_break(text), level, request_id or None)


def without_line_break(text: str) -> str:
    """Remove one line break at the end, if any."""
    if text.endswith("\n"):
        return text[:-2] if text.endswith("\r\n") else text[:-1]
    return text.removesuffix("\r")


class ObjectReader:
    """Reads JSON object records; caches parsed levels and trace ids.

    Levels and traces repeat; the caches and the reader exist for one batch.
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
        self._keys: dict[tuple[str, ...], KeysByKind] = {}

    def read(self, fields: Fields, event_us: int) -> Reading:
        """Read a JSON object record; remove the parts that have a column from `fields.rest`.

        Args:
            fields: the record.
            event_us: the event's own time.

        Source: OpenTelemetry, "Logs Data Model"; AWS Lambda developer guide, "Configuring
        JSON and plain text log formats"; decision 0016.
        """
        values, rest = fields.values, fields.rest
        names = tuple(values)
        keys = self._keys.get(names) or keys_by_kind(self._keys, names)
        error = values
        message = values.get("message", values)  # the record itself if there is none
        if isinstance(message, str):
            body: str | bytes | None = message
            del rest["message"]
        elif message is values:
            body = _other_body(fields, keys)
        else:
            body = None if message is None else encode(rest["message"])
            error = _described(values, message)
            del rest["message"]
        return Reading(
            body,
            self._level(values, rest, keys, error),
            self._request_id(values, rest, keys) if keys.requests or keys.nesting else None,
            self._time(values, rest, keys, event_us),
            self._trace(values, rest, keys),
            exception(error),
        )

    def _request_id(self, values: Values, rest: Values, keys: KeysByKind) -> str | None:
        for key in keys.requests:
            request_id = values[key]
            if isinstance(request_id, str) and self._counts(key, request_id):
                del rest[key]
                return request_id
        # Nested ids stay attributes.
        for inner in _nested(values, keys):
            for key in REQUEST_KEYS:
                request_id = inner.get(key)
                if isinstance(request_id, str) and self._counts(key, request_id):
                    return request_id
        return None

    def _counts(self, key: str, request_id: str) -> bool:
        return bool(request_id) and (key in OWN_REQUEST_KEYS or self._is_invocation(request_id))

    def _level(self, values: Values, rest: Values, keys: KeysByKind, error: Values) -> Severity:
        level = self._named_level(values, rest, keys)
        if level.number:
            return level
        for key in keys.numbers:
            number = values[key]
            if type(number) is int and (known := otel_severity(number)) is not UNSPECIFIED:
                return Severity(level.text or known.text, number)
        if level.text:
            return level
        if (keys.errors and _is_error(values)) or (error is not values and _is_error(error)):
            return ERROR
        # Serilog's compact format omits the level Information.
        return INFO if "@t" in values else UNSPECIFIED

    def _named_level(self, values: Values, rest: Values, keys: KeysByKind) -> Severity:
        for key in keys.levels:
            level = values[key]
            if isinstance(level, str) and level:
                del rest[key]
                return self._severity(level)
        log = values.get("log")
        level = log.get("level") if isinstance(log, dict) else None
        if isinstance(level, str) and level:
            return self._severity(level)
        level = values.get("level")  # the number stays an attribute
        return numeric_severity(level) if type(level) is int else UNSPECIFIED

    def _time(self, values: Values, rest: Values, keys: KeysByKind, event_us: int) -> int | None:
        for key in keys.times:
            value = values[key]
            found = self._own_time(value, event_us)
            if found is None:
                continue  # the time of another thing, which stays an attribute
            time_us, whole = found
            if not whole or abs(time_us - event_us) >= SECOND_US:
                if not (type(value) is int and value // 1_000 == time_us and value % 1_000):
                    del rest[key]  # unless it has nanoseconds
                return time_us
            if time_us == event_us - event_us % SECOND_US:
                del rest[key]  # the row's time holds the same value
            return None
        return None

    def _own_time(self, value: object, event_us: int) -> tuple[int, bool] | None:
        """Return a time near the event's, and whether it is in whole seconds."""
        if isinstance(value, str):
            time_us = self._read_time(value)
            if time_us is None or not is_near(time_us, event_us, self._near_us):
                return None
            return time_us, not has_fraction(value)
        if type(value) is int or type(value) is float:
            return epoch_near(value, event_us, self._near_us)
        return None

    def _trace(self, values: Values, rest: Values, keys: KeysByKind) -> Trace | None:
        for key in keys.traces:
            text = values[key]
            trace = self._rooted(text) if isinstance(text, str) else None
            if trace is not None:
                del rest[key]
                return _with_span(trace, values, rest, keys)
        return None


def _nested(values: Values, keys: KeysByKind) -> Iterator[Values]:
    """Yield the objects in which loggers nest a request id."""
    for name in keys.nesting:
        nested = values[name]
        yield from (
            one
            for one in (nested if isinstance(nested, list) else [nested])
            if isinstance(one, dict)
        )


def _is_error(values: Values) -> bool:
    """Tell whether a record describes an error."""
    for key in ERROR_KEYS:
        text = values.get(key)
        if isinstance(text, str) and text:
            return True
    objects = [values.get(key) for key in ERROR_OBJECT_KEYS]
    return any(isinstance(one, dict) and not ERROR_PARTS.isdisjoint(one) for one in objects)


def _rooted(text: str) -> Trace | None:
    found = trace_id(text)
    if found is None:
        header = parse_header(text) if text.startswith("Root=") else NO_TRACE
        return header if header.trace_id else None
    return Trace(found)


def _with_span(trace: Trace, values: Values, rest: Values, keys: KeysByKind) -> Trace:
    span, flags = trace.span_id, trace.flags
    for key in keys.spans:
        if (found := span_id(values[key])) is not None:
            del rest[key]
            span = found
            break
    for key in keys.flags:
        if (number := trace_flags(values[key])) is not None:
            del rest[key]
            flags = number
            break
    return Trace(trace.trace_id, span, flags)


def _described(values: Values, message: object) -> Values:
    """Return the object that describes an error: the record, else a structured message."""
    if isinstance(message, dict) and "errorType" not in values and "errorMessage" not in values:
        return message
    return values


def _other_body(fields: Fields, keys: KeysByKind) -> str | bytes:
    values = fields.values
    for key in keys.messages:
        text = values[key]
        if isinstance(text, str):
            del fields.rest[key]
            return text
    nested = values.get("fields")
    text = nested.get("message") if isinstance(nested, dict) else None
    if isinstance(text, str):
        return text
    text = values.get("errorMessage")
    return text if isinstance(text, str) else fields.text
