"""Maps the events of one batch to rows.

    Mapper.learn(events)   first pass: invocations that start in the batch
    Mapper.rows(events)    second pass: the rows

Its state ends with the batch; lasting state is in `Invocations`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.mapping import envelope, platform
from otlp2parquet_ext.records.mapping.attributes import Attributes, AttributeWriter
from otlp2parquet_ext.records.mapping.fast_path import FastPath
from otlp2parquet_ext.records.mapping.fast_path_platform import EVENTS, FastPathPlatform
from otlp2parquet_ext.records.mapping.fields import (
    Fields,
    Values,
    encode,
    read_fields,
    read_line,
    read_proven,
    read_values,
)
from otlp2parquet_ext.records.mapping.records import (
    ObjectReader,
    Reading,
    read_text,
    without_line_break,
)
from otlp2parquet_ext.records.mapping.resource import Resource, resource
from otlp2parquet_ext.records.mapping.rows import Row
from otlp2parquet_ext.records.mapping.severity import UNSPECIFIED, WARN
from otlp2parquet_ext.records.mapping.times import NEAR_US, Clock
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace, TracingReader
from otlp2parquet_ext.records.telemetry.decode import Event, Malformed
from otlp2parquet_ext.records.telemetry.exact import exact_integers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.records.mapping.invocations import Invocations, InvocationWindow
    from otlp2parquet_ext.records.telemetry.values import EnvironmentContext

MALFORMED = "otlp2parquet_ext.malformed"
DROPPED = "otlp2parquet_ext.dropped"

# Types of events that belong to the invocation in whose window they occur, without a request id.
_LINES = frozenset({"function", "extension"})
_VERSION_KEYS = {"platform.initStart": "functionVersion", "platform.start": "version"}
# Types of events that the first pass reads.
_START_EVENTS = frozenset({"platform.start", "platform.initStart", "platform.restoreStart"})
# `instanceId` may be any text; it is used only if it has the shape of a log stream's name.
_LOG_STREAM = re.compile(r"\d{4}/\d\d/\d\d/\[[^\]/]+\][0-9a-f]{32}", re.ASCII)
_decode_text = msgspec.json.Decoder(str).decode


class Mapper:
    """Maps the events of one batch; its owner is `log_table`.

    Args:
        context: the execution environment that they come from.
        invocations: known invocations of the environment.
        near_us: largest difference between a record's own time and its event's with which the
            record's time is used.

    Attributes:
        malformed: number of rows so far for parts that are no events.
    """

    def __init__(
        self, context: EnvironmentContext, invocations: Invocations, near_us: int = NEAR_US
    ) -> None:
        self.malformed = 0
        self._context = context
        self._managed = context.managed
        self._invocations = invocations
        self._version = context.function_version  # until an event names one
        self._clock = Clock()
        self._proof = bytearray()
        self._objects = ObjectReader(self._clock, invocations.is_invocation, near_us)
        self._tracing = TracingReader()
        self._attributes = AttributeWriter()
        self._usual = FastPath(
            self._clock,
            self._invocation,
            self._attributes.opening,
            invocations.is_invocation,
            near_us,
        )
        self._ahead: set[str] = set()  # starts that the second pass has not reached
        self._usual_platform = FastPathPlatform(
            self._clock, self._tracing, invocations, self._ahead, self._version
        )

    def learn(self, events: Iterable[Event | Malformed], observed_us: int) -> None:
        """Add the invocations that start in a delivery, and the facts about the environment.

        Call it for all deliveries of a batch before `rows`.
        """
        for event in events:
            if type(event) is Malformed or event.type not in _START_EVENTS:
                continue
            if event.type == "platform.start":
                self._learn_start(event, observed_us)
                continue
            stream = read_values(bytes(event.record)).get("instanceId")
            if isinstance(stream, str) and _LOG_STREAM.fullmatch(stream):
                self._invocations.note_stream(event.type, stream)

    def _learn_start(self, event: Event, observed_us: int) -> None:
        usual = self._usual_platform.start(event)
        if usual is not None:
            _, told, time_us, trace, _ = usual
            self._started(told.request_id, time_us, trace, told.function_arn)
            return
        values = read_values(bytes(event.record))
        request_id, read_us = _request_id(values), self._clock.read(event.time)
        if request_id is not None:
            time_us = observed_us if read_us is None else read_us
            trace = self._tracing.read(values.get("tracing"))
            self._started(request_id, time_us, trace, values.get("functionArn"))

    def _started(self, request_id: str, time_us: int, trace: Trace, arn: object) -> None:
        windows = not self._managed
        self._invocations.started(request_id, time_us, trace, opens_window=windows)
        self._ahead.add(request_id)
        if isinstance(arn, str) and not self._invocations.function_arn:
            self._invocations.function_arn = arn

    def resource(self) -> Resource:
        """Return the resource of the rows, which events of the first pass may have completed."""
        return resource(self._context, self._invocations.function_arn, self._invocations.log_stream)

    def forget_events(self) -> None:
        """Free the events of the first pass, because the second one decodes them again."""
        self._usual_platform.starts.clear()

    def rows(self, events: Iterable[Event | Malformed], observed_us: int) -> list[Row]:
        """Return one row for each part of a delivery."""
        rows: list[Row] = []
        usual, usual_platform = self._usual.row, self._usual_platform.row
        for event in events:
            if type(event) is Malformed:
                row = self._malformed(event.text, observed_us)
            else:
                way = usual_platform if event.type in EVENTS else usual
                try:
                    row = way(event) or self._mapped(event, observed_us)
                except Exception:  # noqa: BLE001 -- one event never costs the batch
                    row = self._malformed(encode(event).decode(), observed_us)
            rows.append(row)
        return rows

    def _malformed(self, text: str, observed_us: int) -> Row:
        self.malformed += 1
        attributes = self._attributes.write(MALFORMED, None)
        return Row(MALFORMED, observed_us, text, attributes)

    def _mapped(self, event: Event, observed_us: int) -> Row:
        event_type = event.type
        time_us = self._clock.read(event.time)
        extra: Attributes | None = None
        if time_us is None or type(event) is not Event:
            extra = envelope.fields(event, time_us)
            time_us = envelope.read_time(event, time_us, observed_us)
        record = bytes(event.record)
        kind = record[:1]
        if kind == b"{":
            values = read_proven(record, self._proof)
            if values is None:
                fields = read_fields(exact_integers(record))
            else:
                fields = Fields(record, values, values)
            if event_type.startswith("platform."):
                return self._platform(event_type, fields, extra, time_us)
            reading = self._objects.read(fields, time_us)
            return self._record(event_type, reading, fields, extra, time_us)
        if kind != b'"':
            record = exact_integers(record)
            kind = record[:1]
        if kind == b'"':
            text = _decode_text(record)
            if event_type in _LINES:
                return self._line(event_type, text, extra, time_us)
            reading = Reading(without_line_break(text))
        else:
            compact = msgspec.json.format(record, indent=-1)
            reading = Reading(None if compact == b"null" else compact)
        return self._record(event_type, reading, None, extra, time_us)

    def _line(self, event_type: str, text: str, extra: Attributes | None, time_us: int) -> Row:
        fields = read_line(text) if text[:1] == "{" else None
        reading = read_text(text) if fields is None else self._objects.read(fields, time_us)
        return self._record(event_type, reading, fields, extra, time_us)

    def _record(
        self,
        event_type: str,
        reading: Reading,
        fields: Fields | None,
        extra: Attributes | None,
        time_us: int,
    ) -> Row:
        request_id = reading.request_id
        invocation = self._invocation(event_type, request_id, time_us)
        if request_id is None and invocation is not None:
            request_id = invocation.request_id
        own = envelope.unite(reading.own, extra) if extra else reading.own
        level = reading.severity
        if level is UNSPECIFIED and event_type == DROPPED:
            level = WARN
        return Row(
            event_type,
            time_us if reading.time_us is None else reading.time_us,
            reading.body,
            self._attributes.write(event_type, request_id, own, fields),
            level,
            _trace(reading.trace, invocation),
            request_id,
        )

    def _invocation(
        self, event_type: str, request_id: str | None, time_us: int
    ) -> InvocationWindow | None:
        if request_id is not None:
            return self._invocations.by_id(request_id)
        if self._managed or event_type not in _LINES:
            return None
        found = self._invocations.at(time_us)
        # If the times are equal, the order of the array decides.
        while found is not None and found.opened_us == time_us and found.request_id in self._ahead:
            found = self._invocations.before(found)
        return found

    def _platform(
        self, event_type: str, fields: Fields, extra: Attributes | None, time_us: int
    ) -> Row:
        values = fields.values
        level = platform.severity(event_type, values)
        self._see_version(event_type, values)
        text: str | bytes | None = fields.text
        if event_type in platform.KNOWN:
            version = self._invocations.version or self._version
            text = platform.body(event_type, values, version)
        trace = self._tracing.read(values.get("tracing"))
        request_id, invocation = _request_id(values), None
        if request_id is not None:
            del fields.rest["requestId"]
            invocation = self._invocations.by_id(request_id)
            if event_type == "platform.start":
                self._ahead.discard(request_id)
        own = self._about(event_type, values, invocation)
        if extra:
            own = envelope.unite(own, extra)
        return Row(
            event_type,
            time_us,
            text,
            self._attributes.write(event_type, request_id, own, fields),
            level,
            trace if trace.trace_id else _trace(None, invocation),
            request_id,
        )

    def _see_version(self, event_type: str, values: Values) -> None:
        key = _VERSION_KEYS.get(event_type)
        version = values.get(key) if key else None
        if isinstance(version, str) and version:
            self._invocations.version = version

    @staticmethod
    def _about(event_type: str, values: Values, invocation: InvocationWindow | None) -> Attributes:
        found = platform.error(values)
        invoke = invocation.invoke if invocation else None
        if event_type in EVENTS and invoke and invoke.invoked_function_arn:
            found["aws.lambda.invoked_arn"] = invoke.invoked_function_arn
        # We know ourselves whether an INVOKE was the first; any process may send a report.
        cold = invoke.first if invoke else platform.is_cold_start(values)
        if event_type == "platform.report" and cold:
            found["faas.coldstart"] = True
        return found


def _trace(own: Trace | None, invocation: InvocationWindow | None) -> Trace:
    known = invocation.trace if invocation else NO_TRACE
    if own is None:
        return known
    if own.trace_id == known.trace_id and own.span_id is None:
        return known
    return own


def _request_id(values: Values) -> str | None:
    request_id = values.get("requestId")
    return request_id if isinstance(request_id, str) and request_id else None
