"""What a run did, as values: invocations, extensions, deliveries, events, isolation.

`Outcome.events` is what the platform generated; `Outcome.acknowledged` is what a subscriber
answered with 2xx. The difference is in `undelivered` or was dropped (`dropped_records`).
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
    """One invocation, as its caller and its bill see it.

    Attributes:
        request_id: as in telemetry records.
        trace_header: the X-Ray header, "" without tracing.
        status: `success`; `error` when the handler raised or INIT failed; `timeout`; `crash`
            when the runtime or an extension exited.
        response: the runtime's answer, or the error document; b"" when there was none.
        error_type: "" on success.
        started_ms: Unix ms at which it was handed out.
        runtime_ms: until the runtime was done with it.
        post_runtime_extension_ms: how much longer the slowest extension took, >= 0.
        duration_ms: the report's duration; billed_ms: rounded up, with INIT of a cold start.
        cold_start: the first after INIT.
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
        ready_cpu_ms: user and system time until the first `next`; None where /proc is not.
        ready_rss_bytes, peak_rss_bytes: resident memory then, and the highest seen.
        exit_code: negative is a signal; killed: True when the kill was ours.
        lines: what it printed.
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
        took_ms: until the answer, freezes included.
        body: as sent.
        records: events in it.
        status: HTTP status; None when the connection failed, `error` says how.
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
    """How the processes were held: `cgroup v1`, `cgroup v2`, `signals`, `off` or `none`.

    Attributes:
        freezer, cpu, memory: one of the above each.
        notes: why something is not a cgroup; one sentence each.
    """

    freezer: str
    cpu: str
    memory: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything a run did.

    Attributes:
        invocations: in the order they were handed out.
        init_ms: duration of the first INIT; init_error: its error type, "" when it succeeded.
        init_error_payload: the runtime's own error document, ours when it sent none; else b"".
        extensions: one per process of an extension.
        events: every event the platform generated, in order.
        deliveries: every POST, in order of their answers.
        undelivered: as-sent events that no subscriber acknowledged.
        dropped_records, dropped_bytes: what overran a subscriber's buffer.
        resets: environments that were torn down and started again.
        function_lines: what the function printed outside the log frames and in them.
        peak_memory_bytes: of function and extensions together; None without a memory cgroup.
        isolation: freezer and limits.
        shutdown_ms: SHUTDOWN to the exit of the last extension; None without extensions.
        tmp: what was the environment's /tmp; gone unless the plan keeps it.
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
        """What all extension processes printed."""
        return tuple(line for run in self.extensions for line in run.lines)

    @property
    def succeeded(self) -> bool:
        """Whether every invocation did."""
        return all(invocation.status == "success" for invocation in self.invocations)
