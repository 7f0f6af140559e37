"""One batch's way from events to rows.

    Mapper.learn(events)   first pass: invocations that start in the batch
    Mapper.rows(events)    second pass: the rows

What it remembers between events ends with the batch; what lasts is in `Invocations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.mapping import platform
from otlp2parquet_ext.mapping.attributes import Attributes, merge
from otlp2parquet_ext.mapping.fields import Fields, Values, encode, read_fields
from otlp2parquet_ext.mapping.records import Reading, read_object, read_text, without_line_break
from otlp2parquet_ext.mapping.rows import Row
from otlp2parquet_ext.mapping.severity import UNSPECIFIED, WARN
from otlp2parquet_ext.mapping.times import Clock, parse_time
from otlp2parquet_ext.mapping.trace import NO_TRACE, Trace, parse_tracing
from otlp2parquet_ext.telemetry.decode import Event, Malformed, OddEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.mapping.invocations import Invocation, Invocations
    from otlp2parquet_ext.telemetry.values import Context

MALFORMED = "otlp2parquet_ext.malformed"
DROPPED = "otlp2parquet_ext.dropped"

# What belongs to the invocation in whose window it happened, even if it does not say so.
_LINES = frozenset({"function", "extension"})
# What is about one invocation as a whole, and so names how it was invoked.
_INVOCATION_EVENTS = frozenset({"platform.start", "platform.runtimeDone", "platform.report"})
_NAME_VERSION = {"platform.initStart": "functionVersion", "platform.start": "version"}
_decode_text = msgspec.json.Decoder(str).decode


class Mapper:
    """Maps the events of one batch; its owner is `log_table`.

    Attributes:
        malformed: rows so far that are parts which were no events.
    """

    def __init__(self, context: Context, invocations: Invocations) -> None:
        self.malformed = 0
        self._managed = context.managed
        self._invocations = invocations
        self._version = invocations.version or context.function_version
        self._clock = Clock()
        self._ahead: set[str] = set()  # starts in the batch that the second pass has not reached

    def learn(self, events: Iterable[Event | Malformed], observed_us: int) -> None:
        """Note the invocations that start in a delivery; all deliveries before any `rows`."""
        for event in events:
            if isinstance(event, Malformed) or event.type != "platform.start":
                continue
            values = _values(event)
            request_id = values.get("requestId")
            if not (isinstance(request_id, str) and request_id):
                continue
            time_us = self._clock.read(event.time)
            self._invocations.started(
                request_id,
                observed_us if time_us is None else time_us,
                parse_tracing(values.get("tracing")),
                opens_window=not self._managed,
            )
            arn = values.get("functionArn")
            if isinstance(arn, str) and not self._invocations.function_arn:
                self._invocations.function_arn = arn
            self._ahead.add(request_id)

    def rows(self, events: Iterable[Event | Malformed], observed_us: int) -> list[Row]:
        """Give one row for each part of a delivery."""
        return [
            self._malformed(event.text, observed_us)
            if isinstance(event, Malformed)
            else self._row(event, observed_us)
            for event in events
        ]

    def _row(self, event: Event, observed_us: int) -> Row:
        try:
            return self._mapped(event, observed_us)
        except Exception:  # noqa: BLE001 -- one event never costs the batch, whatever is wrong
            return self._malformed(encode(event).decode(), observed_us)

    def _malformed(self, text: str, observed_us: int) -> Row:
        self.malformed += 1
        attributes = merge({"type": MALFORMED})
        return Row(MALFORMED, observed_us, observed_us, text, attributes)

    def _mapped(self, event: Event, observed_us: int) -> Row:
        own: Attributes = {"type": event.type}
        time_us = self._clock.read(event.time)
        if time_us is None:
            time_us = _odd_time(event, own) or observed_us
        record = bytes(event.record)
        kind = record[:1]
        if kind == b"{":
            fields = read_fields(record)
            if event.type.startswith("platform."):
                row = self._platform(event, fields, own, time_us)
            else:
                row = self._record(event, read_object(fields, time_us), fields, own, time_us)
        elif kind == b'"':
            text = _decode_text(record)
            reading = read_text(text) if event.type in _LINES else Reading(without_line_break(text))
            row = self._record(event, reading, None, own, time_us)
        else:
            body = None if record == b"null" else msgspec.json.format(record, indent=-1)
            row = self._record(event, Reading(body), None, own, time_us)
        row.observed_us = observed_us
        return row

    def _record(
        self, event: Event, reading: Reading, fields: Fields | None, own: Attributes, time_us: int
    ) -> Row:
        request_id: str | None = reading.request_id or None
        invocation = self._invocation(event.type, reading.request_id, time_us)
        if request_id is None and invocation is not None:
            request_id = invocation.request_id
        if request_id is not None:
            own["faas.invocation_id"] = request_id
        own.update(reading.own or {})
        _add_envelope(event, own)
        if fields is not None:
            for key in reading.consumed:
                fields.rest.pop(key, None)
        level = reading.severity
        if level is UNSPECIFIED and event.type == DROPPED:
            level = WARN
        return Row(
            event.type,
            time_us if reading.time_us is None else reading.time_us,
            0,
            reading.body,
            merge(own, fields),
            level,
            _trace(reading.trace, invocation),
            request_id,
        )

    def _invocation(self, event_type: str, request_id: str, time_us: int) -> Invocation | None:
        if request_id:
            return self._invocations.by_id(request_id)
        if self._managed or event_type not in _LINES:
            return None
        found = self._invocations.at(time_us)
        # In an equal millisecond the order of the array decides.
        while found is not None and found.opened_us == time_us and found.request_id in self._ahead:
            found = self._invocations.before(found)
        return found

    def _platform(self, event: Event, fields: Fields, own: Attributes, time_us: int) -> Row:
        event_type, values = event.type, fields.values
        request_id = values.get("requestId")
        invocation = None
        trace = parse_tracing(values.get("tracing"))
        if isinstance(request_id, str) and request_id:
            if event_type == "platform.start":
                self._ahead.discard(request_id)
            own["faas.invocation_id"] = request_id
            invocation = self._invocations.by_id(request_id)
        else:
            request_id = None
        self._see_version(event_type, values)
        own.update(self._about(event_type, values, invocation))
        _add_envelope(event, own)
        text: str | bytes | None = fields.text
        if event_type in platform.KNOWN:
            text = platform.body(event_type, values, self._version)
        level = platform.severity(event_type, values)
        if request_id is not None:
            fields.rest.pop("requestId", None)
        return Row(
            event_type,
            time_us,
            0,
            text,
            merge(own, fields),
            level,
            trace if trace.trace_id else _trace(None, invocation),
            request_id,
        )

    def _see_version(self, event_type: str, values: Values) -> None:
        version = values.get(_NAME_VERSION.get(event_type, ""))
        if isinstance(version, str) and version:
            self._version = self._invocations.version = version

    @staticmethod
    def _about(event_type: str, values: Values, invocation: Invocation | None) -> Attributes:
        found = platform.error(values)
        invoke = invocation.invoke if invocation else None
        if event_type in _INVOCATION_EVENTS and invoke and invoke.invoked_function_arn:
            found["aws.lambda.invoked_arn"] = invoke.invoked_function_arn
        if event_type == "platform.report" and (
            (invoke and invoke.first) or platform.is_cold_start(values)
        ):
            found["faas.coldstart"] = True
        return found


def _values(event: Event) -> Values:
    try:
        return read_fields(bytes(event.record)).values
    except (ValueError, RecursionError):
        return {}


def _trace(own: Trace | None, invocation: Invocation | None) -> Trace:
    known = invocation.trace if invocation else NO_TRACE
    if own is None:
        return known
    if own.trace_id == known.trace_id and own.span_id is None:
        return known
    return own


def _odd_time(event: Event, own: Attributes) -> int | None:
    if event.time:
        own["time"] = event.time
    elif isinstance(event, OddEvent) and "timestamp" in event.extra:
        text = bytes(event.extra["timestamp"]).decode().strip('"')
        return parse_time(text)
    return None


def _add_envelope(event: Event, own: Attributes) -> None:
    if isinstance(event, OddEvent):
        for key, value in event.extra.items():
            own[f"record.{key}" if key in own else key] = value
