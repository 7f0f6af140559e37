"""The outcome of a run as values: invocations, extensions, deliveries, events, isolation.

`Outcome.events` has the events that the platform generated, `Outcome.acknowledged` those that a
subscriber answered with 2xx. The difference is in `undelivered` or was dropped (`dropped_records`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.tools.local.events import PlatformEvent

Status = Literal["success", "error", "timeout", "crash"]
_SUCCESSES = range(200, 300)


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One invocation, with the facts of its caller and its bill.

    Attributes:
        request_id: as in telemetry records.
        trace_header: the X-Ray header; "" without tracing.
        status: `success`; `error` if the handler raised or INIT failed; `timeout`; `crash` if the
            runtime or an extension exited.
        response: the runtime's answer, or the error document; b"" if there was none.
        error_type: "" on success.
        started_ms: Unix ms at which it was sent to the runtime.
        runtime_ms: time until the runtime was done with it.
        post_runtime_extension_ms: further time of the slowest extension, >= 0.
        duration_ms: the report's duration; billed_ms: rounded up, with INIT of a cold start.
        cold_start: it is the first after INIT.
        max_memory_mb: as reported.
    """

    request_id: str
    trace_header: str
    status: Status
    response: bytes
    error_type: str
    started_ms: float
    runtime_ms: float
    post_runtime_extension_ms: float
    duration_ms: float
    billed_ms: int
    cold_start: bool
    max_memory_mb: int


@dataclass(frozen=True, kw_only=True)
class ExtensionRun:
    """One process of one extension, from spawn to exit.

    Attributes:
        name: as registered.
        generation: 0 for the first processes, one more with each reset.
        register_ms, ready_ms: spawn to register and to the first `next`; None if never.
        ready_cpu_ms: user and system time until the first `next`; None without /proc.
        ready_rss_bytes, peak_rss_bytes: resident memory at the first `next`, and the highest
        measured.
        exit_code: negative for a signal; killed: True if the environment killed it.
        lines: its output.
    """

    name: str
    generation: int
    register_ms: float | None
    ready_ms: float | None
    ready_cpu_ms: float | None
    ready_rss_bytes: int | None
    peak_rss_bytes: int | None
    exit_code: int | None
    killed: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SentDelivery:
    """One POST to a subscriber.

    Attributes:
        subscriber: the extension's name.
        sent_ms: Unix ms.
        took_ms: time until the answer, with freezes.
        body: as sent.
        records: number of events in it.
        status: HTTP status; None if the connection failed, with the reason in `error`.
        attempt: 1, or more for a retry of the same batch.
        redelivery: a copy of an acknowledged delivery, sent by a fault switch.
        after_shutdown: sent after the subscriber got SHUTDOWN.
    """

    subscriber: str
    sent_ms: float
    took_ms: float
    body: bytes
    records: int
    status: int | None
    error: str
    attempt: int
    redelivery: bool
    after_shutdown: bool

    @property
    def acknowledged(self) -> bool:
        """Whether the answer was 2xx."""
        return self.status in _SUCCESSES

    @property
    def events(self) -> list[dict[str, Any]]:
        """The body, decoded."""
        events: list[dict[str, Any]] = json.loads(self.body)
        return events


@dataclass(frozen=True, kw_only=True)
class IsolationFacts:
    """How processes were limited and frozen: `cgroup v1`, `cgroup v2`, `signals`, `off` or `none`.

    Attributes:
        freezer, cpu, memory: one of the above each.
        notes: reasons why no cgroup was used, one sentence each.
    """

    freezer: str
    cpu: str
    memory: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The complete outcome of a run.

    Attributes:
        invocations: invocations in the order of their start.
        init_ms: duration of the first INIT; init_error: its error type, "" when it succeeded.
        init_error_payload: the runtime's own error document, ours if it sent none; else b"".
        extensions: one per process of an extension.
        events: every event the platform generated, in order.
        deliveries: every POST, in order of their answers.
        undelivered: events that no subscriber acknowledged.
        dropped_records, dropped_bytes: numbers dropped because a subscriber's buffer was full.
        resets: number of resets of the environment.
        function_lines: the function's output, in log frames and outside.
        peak_memory_bytes: highest memory use of function and extensions; None without a memory
            cgroup.
        isolation: freezer and limits.
        shutdown_ms: time from SHUTDOWN to the exit of the last extension; None without extensions.
        tmp: folder of the environment's /tmp; removed unless the plan keeps it.
    """

    invocations: tuple[Invocation, ...]
    init_ms: float
    init_error: str
    init_error_payload: bytes
    extensions: tuple[ExtensionRun, ...]
    events: tuple[PlatformEvent, ...]
    deliveries: tuple[SentDelivery, ...]
    undelivered: tuple[PlatformEvent, ...]
    dropped_records: int
    dropped_bytes: int
    resets: int
    function_lines: tuple[str, ...]
    peak_memory_bytes: int | None
    isolation: IsolationFacts
    shutdown_ms: float | None
    tmp: Path

    @property
    def acknowledged(self) -> list[dict[str, Any]]:
        """Events of acknowledged deliveries, each delivery once, in order."""
        return [
            event
            for delivery in self.deliveries
            if delivery.acknowledged and not delivery.redelivery
            for event in delivery.events
        ]

    @property
    def extension_lines(self) -> tuple[str, ...]:
        """Output of all extension processes."""
        return tuple(line for run in self.extensions for line in run.lines)

    @property
    def succeeded(self) -> bool:
        """Whether every invocation succeeded."""
        return all(invocation.status == "success" for invocation in self.invocations)
