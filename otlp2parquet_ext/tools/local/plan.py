"""All options of the local environment, as frozen values.

`Plan` describes a function, its extensions and the invocations; `Faults` describes failures of a
real environment. This module starts nothing.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Lambda gives one vCPU at this memory size (AWS Lambda quotas).
MEMORY_MB_PER_VCPU = 1769


class LogFormat(StrEnum):
    """The function's log format; JSON lines become objects in telemetry records."""

    TEXT = "text"
    JSON = "json"


class KillPoint(StrEnum):
    """When the first extension gets SIGKILL; `[at]` is `Kill.at`."""

    BETWEEN = "between"  # frozen, after invocation [at]
    INVOKE = "invoke"  # has got INVOKE of invocation [at]; the function has not
    RESPONSE = "response"  # the runtime is done with invocation [at]
    DELIVERY = "delivery"  # has acknowledged [at] deliveries
    SHUTDOWN = "shutdown"  # [at] milliseconds after SHUTDOWN


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill of the first extension.

    Attributes:
        point: when it happens.
        at: invocations and deliveries count from 1; milliseconds for SHUTDOWN.
        number: number of the signal, SIGKILL by default; some local runners send SIGTERM.
    """

    point: KillPoint
    at: int = 1
    number: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults of the environment; by default there are none.

    Attributes:
        telemetry_after_shutdown_ms: no telemetry is delivered until this long after SHUTDOWN.
        race_shutdown: no telemetry is delivered until the end. Then half of it is acknowledged
            before SHUTDOWN is sent, and the other half is sent at the same moment.
        flush_before_shutdown: all events are delivered (for at most 1 s) before SHUTDOWN, as by the
            emulator. By default the last events follow SHUTDOWN, as in production.
        redeliver_every: every k-th acknowledged delivery is sent again; 0 means never.
        redeliver_times: number of repetitions.
        refuse_subscription: 202, 400 or 403 as the answer to every subscription; 0 accepts.
        silent_subscription: the answer is 200, but no event is delivered.
        delivery_pause_ms: pause before each delivery, like that of a slow subscriber.
        capacity_bytes: size of a subscriber's buffer, beyond which events are dropped; None means
            64 MiB.
        kill: a signal for the first extension.
        kill_after_ms: the n-th number applies to the n-th generation: its first extension gets
            SIGKILL this long after its start, in any state. Later generations are not killed.
        broken_next_from: from this `next` on (1 is the first), the answer to the first generation's
            extensions is 500, which means that the environment is broken; 0 means never.
        slow_next_ms: extensions receive INVOKE this much later than the runtime.
        never_next: extensions receive no INVOKE, only SHUTDOWN.
        no_runtime_done: `platform.runtimeDone` is never sent.
        emulator_reasons: shutdown reasons as the standard emulator spells them.
        timeouts_s: timeouts of single invocations that differ from the function's, by number (1 is
            the first).
    """

    telemetry_after_shutdown_ms: int | None = None
    race_shutdown: bool = False
    flush_before_shutdown: bool = False
    redeliver_every: int = 0
    redeliver_times: int = 1
    refuse_subscription: int = 0
    silent_subscription: bool = False
    delivery_pause_ms: int = 0
    capacity_bytes: int | None = None
    kill: Kill | None = None
    kill_after_ms: tuple[int, ...] = ()
    broken_next_from: int = 0
    slow_next_ms: int = 0
    never_next: bool = False
    no_runtime_done: bool = False
    emulator_reasons: bool = False
    timeouts_s: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExtensionProgram:
    """One external extension.

    Attributes:
        name: the only name that it may register; on Lambda, its file name in /opt/extensions.
        command: program and arguments.
    """

    name: str
    command: tuple[str, ...]


OURS = ExtensionProgram(name="otlp2parquet", command=(sys.executable, "-m", "otlp2parquet_ext"))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: a function, its extensions, N invocations, then SHUTDOWN.

    Attributes:
        handler: `module.function` for AWS's Python runtime client; "" with `command`.
        command: anything that speaks the Runtime API; used when `handler` is "".
        code: the function's folder (its working directory, `LAMBDA_TASK_ROOT`).
        extensions: started in this order; may be empty.
        memory_mb: memory of function and extensions together; it also determines the share of CPU.
        cpus: share of CPU; 0 derives it from the memory.
        timeout_s: the function timeout; it covers the extensions, too.
        invocations: number of invocations.
        events: the payloads, used in turn; JSON for managed runtimes.
        gap_ms: frozen time between two invocations.
        log_format: `AWS_LAMBDA_LOG_FORMAT`.
        destination: `OTLP2PARQUET_DESTINATION`; "" leaves it unset.
        env: user variables for function and extensions; they override ours.
        limited: apply memory and CPU limits if cgroups allow it.
        init_boost: no CPU limit during INIT.
        freeze: freeze between invocations.
        managed: behave as Lambda Managed Instances.
        concurrency: number of concurrent invocations; only with `managed`.
        snapstart: run INIT, snapshot, restore, as SnapStart does.
        tracing: send an X-Ray header with each invocation.
        sequence_id: send `Sequence-Id` with deliveries; always with `managed`.
        tmp: the environment's /tmp; None creates one and removes it at the end.
        keep_tmp: do not remove the created folder. function_name, function_version, region,
        account_id: values of the function's variables; an empty region means AWS_REGION of the
        caller, else us-east-1.
        init_limit_ms: time limit of INIT.
        faults: faults to inject.
    """

    handler: str = ""
    command: tuple[str, ...] = ()
    code: Path = field(default_factory=Path)
    extensions: tuple[ExtensionProgram, ...] = (OURS,)
    memory_mb: int = 128
    cpus: float = 0
    timeout_s: float = 3.0
    invocations: int = 1
    events: tuple[bytes, ...] = (b"{}",)
    gap_ms: int = 0
    log_format: LogFormat = LogFormat.TEXT
    destination: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    limited: bool = True
    init_boost: bool = False
    freeze: bool = True
    managed: bool = False
    concurrency: int = 1
    snapstart: bool = False
    tracing: bool = True
    sequence_id: bool = False
    tmp: Path | None = None
    keep_tmp: bool = False
    function_name: str = "local"
    function_version: str = "$LATEST"
    region: str = ""
    account_id: str = "012345678912"
    init_limit_ms: int = 10_000
    faults: Faults = field(default_factory=Faults)

    @property
    def initialization_type(self) -> str:
        """`AWS_LAMBDA_INITIALIZATION_TYPE` and the records' `initializationType`."""
        if self.managed:
            return "lambda-managed-instances"
        return "snap-start" if self.snapstart else "on-demand"

    @property
    def logs_objects(self) -> bool:
        """Whether the function logs JSON; Managed Instances always do."""
        return self.managed or self.log_format is LogFormat.JSON

    @property
    def vcpus(self) -> float:
        """The share of CPU: `cpus`, else the share of the memory size."""
        return self.cpus or self.memory_mb / MEMORY_MB_PER_VCPU
