"""Reads platform events as facts about an initialisation, an invocation or a restore.

    platform.initStart     .initRuntimeDone     .initReport      init, by phase
    platform.start         .runtimeDone         .report          invoke, by request id
    platform.restoreStart  .restoreRuntimeDone  .restoreReport   restore
             START                DONE              REPORT

A field of the wrong shape counts as absent, and the rest of the event is used. Durations are in
microseconds, sizes in bytes.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.mapping.fields import read_values
from otlp2parquet_ext.records.mapping.times import Clock
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace, parse_header, span_id
from otlp2parquet_ext.records.telemetry.decode import Event, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from otlp2parquet_ext.records.mapping.fields import Values

_SNAPSHOT = "snap-start"
_MIB = 1_048_576
_MOST = 1e12
"""Largest plausible duration in milliseconds (31 years) or size in MB. A larger number counts as
absent."""
_LONGEST = 8_192
"""Most bytes of a record of Lambda. A longer one is forged, and is ignored to limit our memory."""


class FactKind(StrEnum):
    """The kind of activity that an event reports."""

    INIT = "init"
    INVOKE = "invoke"
    RESTORE = "restore"


class Step(IntEnum):
    """The position of an event among the three of its activity."""

    START = 0
    DONE = 1
    REPORT = 2


STEPS: Mapping[str, tuple[FactKind, Step]] = {
    "platform.initStart": (FactKind.INIT, Step.START),
    "platform.initRuntimeDone": (FactKind.INIT, Step.DONE),
    "platform.initReport": (FactKind.INIT, Step.REPORT),
    "platform.start": (FactKind.INVOKE, Step.START),
    "platform.runtimeDone": (FactKind.INVOKE, Step.DONE),
    "platform.report": (FactKind.INVOKE, Step.REPORT),
    "platform.restoreStart": (FactKind.RESTORE, Step.START),
    "platform.restoreRuntimeDone": (FactKind.RESTORE, Step.DONE),
    "platform.restoreReport": (FactKind.RESTORE, Step.REPORT),
}


class SpanEntry(msgspec.Struct, frozen=True):
    """One of an event's `spans`."""

    name: str
    start_us: int
    duration_us: int


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event.

    Attributes:
        kind, step: identify the event.
        key: identifies the activity; the same for its three events.
        request_id: "" for init and restore.
        instance: `instanceId`, which starts of init and restore may have; "" if absent.
        time_us: Unix microseconds.
        status, error_type: as sent; "" if absent.
        phase: phase of an init; "init" if absent.
        of_snapshot: the init ran before the snapshot from which this environment is restored.
        trace: from its `tracing`; the span id is the header's Parent.
        span_id: `tracing.spanId`.
        duration_us, …: None when absent.
    """

    kind: FactKind
    step: Step
    key: str
    time_us: int
    request_id: str = ""
    instance: str = ""
    status: str = ""
    error_type: str = ""
    tenant_id: str = ""
    phase: str = ""
    of_snapshot: bool = False
    trace: Trace = NO_TRACE
    span_id: str | None = None
    spans: tuple[SpanEntry, ...] = ()
    duration_us: int | None = None
    billed_us: int | None = None
    init_us: int | None = None
    restore_us: int | None = None
    memory_bytes: int | None = None
    max_memory_bytes: int | None = None

    @property
    def failed(self) -> bool:
        """True if it has a status other than `success`."""
        return self.status not in {"", "success"}

    @property
    def cold_start(self) -> bool:
        """True for a report of an initialisation or a restore before its invocation."""
        return self.init_us is not None or self.restore_us is not None


class FactReader:
    """Reads the events of one batch.

    The trace header of an invocation comes three times and is parsed once.
    """

    def __init__(self) -> None:
        """Begin with an empty cache."""
        self._clock = Clock()
        self._header = cache(parse_header)

    def read(self, events: Iterable[Event | Malformed], observed_us: int) -> Iterator[Fact]:
        """Yield the facts among the events of a delivery.

        Args:
            events: any events; one of another kind, or without its request id, is ignored.
            observed_us: replaces an event's time that cannot be read.
        """
        for event in events:
            if isinstance(event, Malformed) or event.type not in STEPS:
                continue
            if len(bytes(event.record)) > _LONGEST:
                continue
            time_us = self._clock.read(event.time)
            fact = self._fact(event, observed_us if time_us is None else time_us)
            if fact is not None:
                yield fact

    def _fact(self, event: Event, time_us: int) -> Fact | None:
        kind, step = STEPS[event.type]
        values = read_values(bytes(event.record))
        request_id = _text(values, "requestId") if kind is FactKind.INVOKE else ""
        if kind is FactKind.INVOKE and not request_id:
            return None
        phase = (_text(values, "phase") or "init") if kind is FactKind.INIT else ""
        trace, own_span_id = self._tracing(values.get("tracing"))
        metrics = values.get("metrics")
        return Fact(
            kind=kind,
            step=step,
            key=f"{kind}/{request_id or phase}",
            time_us=time_us,
            request_id=request_id,
            instance=_text(values, "instanceId"),
            status=_text(values, "status"),
            error_type=_text(values, "errorType"),
            tenant_id=_text(values, "tenantId"),
            phase=phase,
            of_snapshot=_SNAPSHOT in {phase, _text(values, "initializationType")},
            trace=trace,
            span_id=own_span_id,
            spans=tuple(self._entries(values.get("spans"))),
            **(_numbers(metrics) if isinstance(metrics, dict) else {}),
        )

    def _tracing(self, tracing: object) -> tuple[Trace, str | None]:
        if not isinstance(tracing, dict):
            return NO_TRACE, None
        return self._header(_text(tracing, "value")), span_id(tracing.get("spanId"))

    def _entries(self, spans: object) -> Iterator[SpanEntry]:
        for span in spans if isinstance(spans, list) else ():
            if isinstance(span, dict):
                start_us = self._clock.read(_text(span, "start"))
                duration_us = _scaled(span, "durationMs", 1_000)
                if start_us is not None and duration_us is not None:
                    yield SpanEntry(_text(span, "name"), start_us, duration_us)


def _numbers(metrics: Values) -> dict[str, int | None]:
    return {
        "duration_us": _scaled(metrics, "durationMs", 1_000),
        "billed_us": _scaled(metrics, "billedDurationMs", 1_000),
        "init_us": _scaled(metrics, "initDurationMs", 1_000),
        "restore_us": _scaled(metrics, "restoreDurationMs", 1_000),
        "memory_bytes": _scaled(metrics, "memorySizeMB", _MIB),
        "max_memory_bytes": _scaled(metrics, "maxMemoryUsedMB", _MIB),
    }


def _text(values: Values, key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _scaled(values: Values, key: str, unit: int) -> int | None:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return round(value * unit)
