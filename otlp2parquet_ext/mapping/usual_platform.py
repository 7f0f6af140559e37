"""The three events every invocation brings, by the short way: start, runtimeDone and report.

    event --start()--> Reading     first pass: what a `platform.start` tells, read once for both
    event --row()----> Row         second pass
                       or None     it is not that simple, and `Mapper` takes the long way

Both ways give the same row (tests/mapping/test_short_way.py). Of a record whose fields are all
known, each there once and spelled plainly, nothing is written anew: the attributes are its text,
with `faas.invocation_id` for `requestId`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from otlp2parquet_ext.mapping.fields import encode
from otlp2parquet_ext.mapping.platform import REPORT_CLAUSES
from otlp2parquet_ext.mapping.rows import Row
from otlp2parquet_ext.mapping.severity import DEBUG, INFO, WARN
from otlp2parquet_ext.mapping.trace import NO_TRACE, Trace
from otlp2parquet_ext.telemetry.decode import Event
from otlp2parquet_ext.telemetry.exact import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from otlp2parquet_ext.mapping.attributes import Attributes
    from otlp2parquet_ext.mapping.invocations import Invocation, Invocations
    from otlp2parquet_ext.mapping.times import Clock
    from otlp2parquet_ext.mapping.trace import TracingReader

START, DONE, REPORT = "platform.start", "platform.runtimeDone", "platform.report"
EVENTS = frozenset({START, DONE, REPORT})
MOST_STARTS = 1024
"""Starts remembered from the first pass to the second; those of a greater batch are read again."""

_OPENINGS = {kind: b'{"type":"%b","faas.invocation_id":' % kind.encode() for kind in EVENTS}
_FIRST = b'{"requestId":'
_SKIP = len(_FIRST)
_Number = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)] | float


class _Span(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    name: str
    start: str
    duration_ms: _Number


class Told(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The record of one of the three events; what is absent is "" or None.

    Source: reference telemetry-events.md, section 3.
    """

    request_id: str
    version: str = ""
    status: str = ""
    error_type: str = ""
    tenant_id: str = ""
    function_arn: str = ""
    tracing: dict[str, str] | None = None
    metrics: dict[str, _Number] | None = None
    spans: list[_Span] | None = None


class Reading(NamedTuple):
    """What an event tells; `time_us` in Unix microseconds."""

    event: Event
    told: Told
    time_us: int
    trace: Trace


_decode = msgspec.json.Decoder(Told).decode


def read(record: bytes) -> Told | None:
    """Read a record of known fields.

    Returns:
        None when a field is unknown, empty, of another type or there twice, or another one than
        the request id comes first; when a number is beyond 64 bits or a double; when the text has
        white space or escapes.
    """
    if b"\\" in record or b" " in record or b"\n" in record or b"\t" in record or b"\r" in record:
        return None
    try:
        told = _decode(record)
    except msgspec.MsgspecError:
        return None
    fields = 1 + bool(told.version) + bool(told.status) + bool(told.error_type)
    fields += bool(told.tenant_id) + bool(told.function_arn)
    if told.tracing:
        fields += 1 + len(told.tracing)
    if told.metrics:
        fields += 1 + len(told.metrics)
    if told.spans:
        fields += 1 + 3 * len(told.spans)
    # Without escapes and white space each field has one such mark; one more is a field twice.
    plain = record.count(b'":') == fields and record[:_SKIP] == _FIRST
    return told if plain and told.request_id and told.request_id.isascii() else None


class UsualPlatform:
    """Maps usual events of one batch; what it remembers ends with the batch.

    Args:
        clock: reads the times of events.
        tracing: reads their trace context.
        invocations: what is known of them; told the version a start names.
        ahead: request ids whose start the second pass has not reached; taken out here.
        version: of the function, for as long as no event names one.

    Attributes:
        starts: what the first pass has read and the second not yet reached, at most `MOST_STARTS`.
    """

    def __init__(
        self,
        clock: Clock,
        tracing: TracingReader,
        invocations: Invocations,
        ahead: set[str],
        version: str,
    ) -> None:
        self._read_time = clock.read
        self._read_tracing = tracing.read
        self._invocations = invocations
        self._ahead = ahead
        self._version = version
        self.starts: deque[Reading] = deque()
        self._arn, self._arn_text = "", b""

    def start(self, event: Event) -> Reading | None:
        """Read a `platform.start`, None when it is not one of the usual ones."""
        start = self._read(event)
        if start is not None and len(self.starts) < MOST_STARTS:
            self.starts.append(start)
        return start

    def row(self, event: Event) -> Row | None:
        """Give the row of one of `EVENTS`, None when it is not one of the usual ones."""
        starts = self.starts
        known = starts and starts[0].event is event
        reading = starts.popleft() if known else self._read(event)
        if reading is None:
            return None
        _, told, time_us, trace = reading
        event_type, request_id, status = event.type, told.request_id, told.status
        failed = status not in {"", "success"}
        body: str | None
        if event_type == REPORT:
            level = WARN if failed else INFO
            body = _report(told, failed=failed)
        else:
            level = WARN if failed else DEBUG
            if event_type == START:
                level = INFO
                self._ahead.discard(request_id)
                if told.version:
                    self._invocations.version = told.version
            version = told.version or self._invocations.version or self._version
            word = "START" if event_type == START else "END"
            body = f"{word} RequestId: {request_id} Version: {version}" if version else None
        invocation = self._invocations.by_id(request_id)
        if trace is NO_TRACE and invocation is not None:
            trace = invocation.trace
        own = self._about(event_type, told, invocation)
        text = bytes(event.record)
        end = _SKIP + 2 + len(request_id)
        attributes = _OPENINGS[event_type] + text[_SKIP:end] + own + text[end:]
        return Row(event_type, time_us, body, attributes, level, trace, request_id)

    def _read(self, event: Event) -> Reading | None:
        told = read(bytes(event.record)) if type(event) is Event else None
        if told is None or (time_us := self._read_time(event.time)) is None:
            return None
        return Reading(event, told, time_us, self._read_tracing(told.tracing))

    def _about(self, event_type: str, told: Told, invocation: Invocation | None) -> bytes:
        """Write the attributes we add; what most events have of them is how they were invoked."""
        invoke = invocation.invoke if invocation else None
        arn = invoke.invoked_function_arn if invoke else ""
        failure = told.error_type or (told.status if told.status != "success" else "")
        metrics = told.metrics or {}
        if event_type != REPORT:
            cold = False
        elif invoke:
            cold = invoke.first
        else:
            cold = "initDurationMs" in metrics or "restoreDurationMs" in metrics
        if not (failure or cold):
            if arn != self._arn:
                self._arn = arn
                self._arn_text = _written({"aws.lambda.invoked_arn": arn} if arn else {})
            return self._arn_text
        own: Attributes = {}
        if failure:
            own["error.type"] = failure
        if arn:
            own["aws.lambda.invoked_arn"] = arn
        if cold:
            own["faas.coldstart"] = True
        return _written(own)


def _written(own: Attributes) -> bytes:
    return b"," + encode(own)[1:-1] if own else b""


def _report(told: Told, *, failed: bool) -> str:
    text, metrics = f"REPORT RequestId: {told.request_id}", told.metrics
    if metrics:
        for name, key, form, unit in REPORT_CLAUSES:
            if key in metrics:
                text += f" {name}: {metrics[key]:{form}} {unit}"
    return f"{text} Status: {told.status}" if failed else text
