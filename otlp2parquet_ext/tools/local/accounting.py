"""Computes the durations and the status of one invocation from its times: pure, no clock, no I/O.

    arrived ── dispatched ── began ── ended ── done (runtime) ── ready (extensions)
              └─ latency ───┘└duration┘└overhead┘└─ extensionOverhead ─┘

Source: AWS telemetry-schema-reference; spans as the reference names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import events
from otlp2parquet_ext.tools.local.outcome import Invocation, Status

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.events import Record
    from otlp2parquet_ext.tools.local.failure import Failure
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.requests import InvocationRequest
    from otlp2parquet_ext.tools.local.runtime import Flight


@dataclass(frozen=True, kw_only=True)
class Account:
    """One finished invocation.

    Attributes:
        plan, request, flight: the invocation's plan, its request, and the runtime's work on it.
        failure: why it failed; None if it succeeded.
        initialised: whether the environment was ready for it.
        ended_s: monotonic time at which all processes were ready, or it failed.
        init_ms: duration of the INIT before a cold start, else None.
        restore_ms: duration of the restore before it, else None.
        max_memory_mb: for the report.
    """

    plan: Plan
    request: InvocationRequest
    flight: Flight
    failure: Failure | None
    initialised: bool
    ended_s: float
    init_ms: float | None
    restore_ms: float | None
    max_memory_mb: int

    @property
    def done_s(self) -> float:
        """Time at which the runtime was done with it, or at which it failed."""
        return self.flight.done_s or self.ended_s

    @property
    def duration_ms(self) -> float:
        """Duration of invocation and extensions; the complete timeout if that was reached."""
        if self.failure and self.failure.timeout:
            return self.request.timeout_s * 1000
        return (max(self.ended_s, self.done_s) - self.request.arrived_s) * 1000

    @property
    def extension_ms(self) -> float:
        """Time that extensions needed after the runtime was done."""
        return max(0.0, (self.ended_s - self.done_s) * 1000)

    def report(self) -> Record:
        """Return the record of `platform.report`."""
        spans: list[Record] = []
        if self.plan.managed:
            spans = response_spans(self.request, self.flight)
        elif self.plan.extensions and self.flight.done_s:
            start_s = self.request.unix_s(self.flight.done_s)
            spans = [events.span("extensionOverhead", start_s, self.extension_ms)]
        timeout = self.failure is not None and self.failure.timeout
        return events.report(
            request_id=self.request.request_id,
            status=self.failure.status if self.failure else "success",
            error_type=self.failure.error_type if self.failure and not timeout else "",
            metrics=self._metrics(),
            spans=spans,
            tracing=self.request.tracing,
        )

    def invocation(self) -> Invocation:
        """Return the invocation for the outcome."""
        return Invocation(
            request_id=self.request.request_id,
            trace_header=self.request.trace_header,
            status=self._status(),
            response=self._response(),
            error_type=self.failure.error_type if self.failure else self.flight.error_type,
            started_ms=self.request.arrived_unix_s * 1000,
            runtime_ms=(self.done_s - self.request.arrived_s) * 1000,
            post_runtime_extension_ms=self.extension_ms,
            duration_ms=self.duration_ms,
            billed_ms=events.billed_ms(self.duration_ms, self.init_ms),
            cold_start=self.init_ms is not None or self.restore_ms is not None,
            max_memory_mb=self.max_memory_mb,
        )

    def _metrics(self) -> Record:
        if self.plan.managed:
            return {"durationMs": round(self.duration_ms, 3)}
        return events.report_metrics(
            duration_ms=self.duration_ms,
            memory_mb=self.plan.memory_mb,
            max_memory_mb=self.max_memory_mb,
            init_ms=self.init_ms,
            restore_ms=self.restore_ms,
        )

    def _status(self) -> Status:
        if self.failure is None:
            return "error" if self.flight.error_type else "success"
        if self.failure.timeout:
            return "timeout"
        return "crash" if self.initialised else "error"

    def _response(self) -> bytes:
        if self.flight.response is not None:
            return self.flight.response
        return self.failure.document(self.request.request_id) if self.failure else b""


def response_spans(request: InvocationRequest, flight: Flight) -> list[Record]:
    """Return responseLatency and responseDuration; none without a response."""
    if flight.began_s is None or flight.ended_s is None:
        return []
    latency_ms = (flight.began_s - flight.dispatched_s) * 1000
    duration_ms = (flight.ended_s - flight.began_s) * 1000
    return [
        events.span("responseLatency", request.unix_s(flight.dispatched_s), latency_ms),
        events.span("responseDuration", request.unix_s(flight.began_s), duration_ms),
    ]


def runtime_done(
    request: InvocationRequest, flight: Flight, failure: Failure | None, now_s: float
) -> Record:
    """Return the record of `platform.runtimeDone`.

    A handler's own error counts as a success of the runtime. Only an exit or a timeout of the
    runtime is a failure.
    """
    spans = response_spans(request, flight)
    if flight.ended_s is not None and flight.done_s is not None:
        overhead_ms = (flight.done_s - flight.ended_s) * 1000
        spans.append(events.span("runtimeOverhead", request.unix_s(flight.ended_s), overhead_ms))
    timeout = failure is not None and failure.timeout
    return events.runtime_done(
        request_id=request.request_id,
        status=failure.status if failure else "success",
        error_type=failure.error_type if failure and not timeout else "",
        duration_ms=((flight.done_s or now_s) - flight.dispatched_s) * 1000,
        produced_bytes=None if flight.response is None else len(flight.response),
        spans=spans,
        tracing=request.tracing,
    )
