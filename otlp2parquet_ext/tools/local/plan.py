"""What to run and what to break: every option of the local environment, as frozen values.

`Plan` describes a function, its extensions and the invocations; `Faults` describes what a real
environment does on a bad day. Nothing here starts anything.
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
    """When the first extension gets its SIGKILL; `Kill.at` is the number in brackets."""

    BETWEEN = "between"  # frozen, after invocation [at]
    INVOKE = "invoke"  # has got INVOKE of invocation [at]; the function has not
    RESPONSE = "response"  # the runtime is done with invocation [at]
    DELIVERY = "delivery"  # has acknowledged [at] deliveries
    SHUTDOWN = "shutdown"  # [at] milliseconds after SHUTDOWN


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill of the first extension.

    Attributes:
        point: what it waits for.
        at: invocations and deliveries count from 1; milliseconds for SHUTDOWN.
        number: of the signal, SIGKILL by default; SIGTERM is what some local runners send.
    """

    point: KillPoint
    at: int = 1
    number: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Deviations from a good day; the defaults are a good day.

    Attributes:
        telemetry_after_shutdown_ms: nothing is delivered before this long after SHUTDOWN.
        race_shutdown: nothing is delivered until the end; then half of it is acknowledged before
            SHUTDOWN is sent, and the other half is sent at the same moment.
        flush_before_shutdown: everything is delivered (at most 1 s) before SHUTDOWN, as the
            emulator does; by default the last events follow SHUTDOWN, as production does.
        redeliver_every: every k-th acknowledged delivery is sent again; 0 is never.
        redeliver_times: how many more times it is sent.
        refuse_subscription: 202, 400 or 403 as the answer to every subscription; 0 accepts.
        silent_subscription: the answer is 200 and nothing is ever delivered.
        delivery_pause_ms: added before each delivery, as a slow subscriber would.
        capacity_bytes: what is kept for a subscriber before events are dropped; None is 64 MiB.
        kill: a signal for the first extension.
        kill_after_ms: the first extension of the n-th generation gets its SIGKILL this long after
            its start, whatever happens then; later generations live.
        broken_next_from: from this `next` on (1 is the first) the first generation's extensions
            are answered 500, which means that the environment is broken; 0 is never.
        slow_next_ms: extensions hear of an invocation this much later than the runtime.
        never_next: extensions never hear of invocations, only of SHUTDOWN.
        no_runtime_done: `platform.runtimeDone` is never sent.
        emulator_reasons: shutdown reasons as the standard emulator spells them.
        timeouts_s: the timeout of an invocation, by its number (1 is the first), where it is
            another than the function's.
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
        name: the only name it may register, on Lambda its file name in /opt/extensions.
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
        extensions: started in this order; none is a function alone.
        memory_mb: memory of function and extensions together; also decides the share of CPU.
        cpus: share of CPU if it is not what comes with the memory; 0 is that.
        timeout_s: the function timeout; it covers the extensions, too.
        invocations: how many.
        events: the payloads, used in turn; JSON for managed runtimes.
        gap_ms: frozen time between two invocations.
        log_format: `AWS_LAMBDA_LOG_FORMAT`.
        destination: `OTLP2PARQUET_DESTINATION`; "" leaves it unset.
        env: user variables, for function and extensions; they win over ours.
        limited: apply memory and CPU limits where cgroups allow.
        init_boost: no CPU limit during INIT.
        freeze: freeze between invocations.
        managed: behave as Lambda Managed Instances.
        concurrency: invocations at once; only with `managed`.
        snapstart: run INIT, snapshot, restore, as SnapStart does.
        tracing: send an X-Ray header with each invocation.
        sequence_id: send `Sequence-Id` with deliveries; always with `managed`.
        tmp: the environment's /tmp; None makes one and removes it.
        keep_tmp: leave the folder we made.
        function_name, function_version, region, account_id: what the function's variables say;
            region "" takes AWS_REGION of the caller, else us-east-1.
        init_limit_ms: INIT is given up after this.
        faults: what goes wrong.
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
        """Whether the function logs JSON; Managed Instances know nothing else."""
        return self.managed or self.log_format is LogFormat.JSON

    @property
    def vcpus(self) -> float:
        """The share of CPU: what was asked for, else what comes with the memory size."""
        return self.cpus or self.memory_mb / MEMORY_MB_PER_VCPU
