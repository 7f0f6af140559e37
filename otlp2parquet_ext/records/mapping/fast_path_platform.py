"""The fast path for the three events of every invocation: start, runtimeDone and report.

    event --start()--> Reading     first pass: a `platform.start`, parsed once for both passes
    event --row()----> Row         second pass
                       or None     the event is not a common one, and `Mapper` maps it

Both paths give the same row (tests/mapping/test_fast_path_platform.py). If all fields of a record
are known, unique and without escapes, its text becomes the attributes, with `faas.invocation_id`
instead of `requestId`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated

import msgspec

from otlp2parquet_ext.records.mapping.fields import encode
from otlp2parquet_ext.records.mapping.platform import REPORT_CLAUSES
from otlp2parquet_ext.records.mapping.rows import Row
from otlp2parquet_ext.records.mapping.severity import DEBUG, INFO, WARN
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace
from otlp2parquet_ext.records.telemetry.decode import Event

if TYPE_CHECKING:
    from otlp2parquet_ext.records.mapping.attributes import Attributes
    from otlp2parquet_ext.records.mapping.invocations import Invocations
    from otlp2parquet_ext.records.mapping.times import Clock
    from otlp2parquet_ext.records.mapping.trace import TracingReader

START, DONE, REPORT = "platform.start", "platform.runtimeDone", "platform.report"
EVENTS = frozenset({START, DONE, REPORT})
MOST_STARTS = 1024
"""Most starts that are kept from the first pass to the second; the others are parsed again."""

_OPENINGS = {kind: b'{"type":"%b","faas.invocation_id":' % kind.encode() for kind in EVENTS}
_SKIP = len(b'{"requestId":')
_R = ord("r")
_NO_FAILURES = frozenset({"", "success"})
_CLAUSES = [(key, f" {name}: ", form, f" {unit}") for name, key, form, unit in REPORT_CLAUSES]
_EXACT = 2**53  # up to here, a number without decimals and an integer are written alike
_Number = Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)] | float
Numbers = dict[str, _Number]


class _Span(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    name: str
    start: str
    duration_ms: _Number


class PlatformRecord(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """The record of one of the three events; absent fields are "" or None.

    Source: AWS Lambda developer guide, "Telemetry API Event schema reference".
    """

    request_id: str
    version: str = ""
    status: str = ""
    error_type: str = ""
    tenant_id: str = ""
    function_arn: str = ""
    tracing: dict[str, str] | None = None
    metrics: Numbers | None = None
    spans: list[_Span] | None = None


Reading = tuple[Event, PlatformRecord, int, Trace, bytes]
"""An event, its parsed record, its time (Unix microseconds), its trace context, its record's text.
"""

_decode = msgspec.json.Decoder(PlatformRecord).decode


def read(record: bytes) -> PlatformRecord | None:
    """Read a record of known fields.

    Returns:
        None if a field is unknown, empty, repeated or of another type; if the request id is not the
        first field; if an integer is beyond 2**53 or a number beyond a double; or if the text has
        white space or escapes.
    """
    if 0x20 in record or 0x5C in record or 0x0A in record or 0x09 in record or 0x0D in record:
        return None
    try:
        told = _decode(record)
    except msgspec.MsgspecError:
        return None
    fields = 1 + (told.version != "") + (told.status != "") + (told.error_type != "")
    fields += (told.tenant_id != "") + (told.function_arn != "")
    if told.tracing:
        fields += 1 + len(told.tracing)
    if told.metrics:
        fields += 1 + len(told.metrics)
    if told.spans:
        fields += 1 + 3 * len(told.spans)
    # Without escapes and white space, each field has one such mark; one more means a repeated
    # field. Only one of the known names begins with r.
    if record.count(b'":') != fields or record[2] != _R:
        return None
    return told if told.request_id and told.request_id.isascii() else None


class FastPathPlatform:
    """Maps common events of one batch; its caches end with the batch.

    Args:
        clock: reads the times of events.
        tracing: reads their trace context.
        invocations: known invocations; gets the version that a start names.
        ahead: request ids whose start the second pass has not reached; this object removes them.
        version: the function's version until an event names one.

    Attributes:
        starts: starts parsed by the first pass and not yet used by the second, at most
            `MOST_STARTS`.
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
        """Parse a `platform.start`; None if it is not a common one."""
        start = self._read(event)
        if start is not None and len(self.starts) < MOST_STARTS:
            self.starts.append(start)
        return start

    def row(self, event: Event) -> Row | None:
        """Return the row of one of `EVENTS`; None if it is not a common one."""
        starts = self.starts
        known = starts and starts[0][0] is event
        reading = starts.popleft() if known else self._read(event)
        if reading is None:
            return None
        _, told, time_us, trace, record = reading
        event_type, request_id, status = event.type, told.request_id, told.status
        failed = status not in _NO_FAILURES
        failure = told.error_type or (status if failed else "")
        invocation = self._invocations.by_id(request_id)
        invoke = None
        if invocation is not None:
            invoke = invocation.invoke
            if trace is NO_TRACE:
                trace = invocation.trace
        body: str | None
        cold = False
        if event_type == REPORT:
            level = WARN if failed else INFO
            body = _report(request_id, told.metrics, status if failed else "")
            cold = invoke.first if invoke is not None else _is_cold_start(told.metrics)
        elif event_type == START:
            level = INFO
            body = self._started(request_id, told.version)
        else:
            level = WARN if failed else DEBUG
            version = told.version or self._invocations.version or self._version
            body = f"END RequestId: {request_id} Version: {version}" if version else None
        attributes = _OPENINGS[event_type]
        if failure or cold or invoke is not None:
            end = _SKIP + 2 + len(request_id)
            own = self._about(failure, invoke.invoked_function_arn if invoke else "", cold=cold)
            attributes += record[_SKIP:end] + own + record[end:]
        else:
            attributes += record[_SKIP:]
        return Row(event_type, time_us, body, attributes, level, trace, request_id)

    def _started(self, request_id: str, version: str) -> str | None:
        self._ahead.discard(request_id)
        if version:
            self._invocations.version = version
        else:
            version = self._invocations.version or self._version
        return f"START RequestId: {request_id} Version: {version}" if version else None

    def _read(self, event: Event) -> Reading | None:
        if type(event) is not Event or (time_us := self._read_time(event.time)) is None:
            return None
        record = bytes(event.record)
        told = read(record)
        if told is None:
            return None
        return event, told, time_us, self._read_tracing(told.tracing), record

    def _about(self, failure: str, arn: str, *, cold: bool) -> bytes:
        """Write the attributes that we add; most events have only the invoked ARN."""
        if not (failure or cold):
            if arn != self._arn:
                self._arn = arn
                self._arn_text = b',"aws.lambda.invoked_arn":' + encode(arn) if arn else b""
            return self._arn_text
        own: Attributes = {}
        if failure:
            own["error.type"] = failure
        if arn:
            own["aws.lambda.invoked_arn"] = arn
        if cold:
            own["faas.coldstart"] = True
        return b"," + encode(own)[1:-1]


def _is_cold_start(metrics: Numbers | None) -> bool:
    return metrics is not None and ("initDurationMs" in metrics or "restoreDurationMs" in metrics)


def _report(request_id: str, metrics: Numbers | None, failure: str) -> str:
    text = f"REPORT RequestId: {request_id}"
    if metrics:
        for key, before, form, after in _CLAUSES:
            if key in metrics:
                number = metrics[key]
                if form == ".0f" and type(number) is int:
                    text += f"{before}{number}{after}"
                else:
                    text += f"{before}{number:{form}}{after}"
    return f"{text} Status: {failure}" if failure else text
