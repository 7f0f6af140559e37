"""One invocation, from both `next` answers to the report.

    send ─▶ runtime done (runtimeDone) ─▶ extensions ready (report) ─▶ the caller may freeze
       └─▶ deadline, exit: the failure that resets the environment

The report is generated when all processes are ready, and then the environment freezes. So the
extension receives it with the next invocation, or after SHUTDOWN.

Source: AWS lambda-runtime-environment, invoke phase; telemetry-schema-reference.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import events
from otlp2parquet_ext.tools.local.accounting import Account, runtime_done
from otlp2parquet_ext.tools.local.failure import Failure, task_timeout
from otlp2parquet_ext.tools.local.plan import KillPoint
from otlp2parquet_ext.tools.local.requests import extension_answer, runtime_answer
from otlp2parquet_ext.tools.local.runtime import Flight
from otlp2parquet_ext.tools.local.states import ExtensionState
from otlp2parquet_ext.tools.local.stopping import kill_first_extension

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.tools.local.requests import InvocationRequest
    from otlp2parquet_ext.tools.local.sandbox import Sandbox
    from otlp2parquet_ext.tools.local.workbench import Workbench

_MIB = 1 << 20


async def invoke(
    bench: Workbench,
    sandbox: Sandbox,
    request: InvocationRequest,
    *,
    init_ms: float | None = None,
    restore_ms: float | None = None,
) -> Account:
    """Run one invocation in a generation whose processes have all called next.

    Args:
        bench: the shared objects of the environment.
        sandbox: the generation.
        request: the invocation.
        init_ms, restore_ms: duration of INIT or restore before a cold start, for its report; else
        None.

    Returns:
        Its account; if it has a failure, the environment must be reset.
    """
    report_start(bench, request)
    flight = Flight(request.request_id, runtime_answer(request))
    await _tell(bench, sandbox, request, flight)
    failure = await _runtime_done(bench, sandbox, request, flight)
    if failure is None:
        await kill_first_extension(bench, sandbox, KillPoint.RESPONSE, request.number)
        failure = await _until(sandbox, request, lambda: _ready_s(sandbox))
    ended_s = _ready_s(sandbox) if failure is None else time.monotonic()
    account = Account(
        plan=bench.plan,
        request=request,
        flight=flight,
        failure=failure,
        initialised=True,
        ended_s=ended_s or flight.done_s or time.monotonic(),
        init_ms=init_ms,
        restore_ms=restore_ms,
        max_memory_mb=max_memory_mb(bench, sandbox),
    )
    bench.telemetry.emit("platform.report", account.report())
    return account


def refuse(bench: Workbench, request: InvocationRequest, failure: Failure) -> Account:
    """Answer an invocation whose environment could not be initialised."""
    report_start(bench, request)
    now_s = time.monotonic()
    account = Account(
        plan=bench.plan,
        request=request,
        flight=Flight(request.request_id, runtime_answer(request), dispatched_s=now_s),
        failure=failure,
        initialised=False,
        ended_s=now_s,
        init_ms=None,
        restore_ms=None,
        max_memory_mb=max_memory_mb(bench, None),
    )
    bench.telemetry.emit("platform.report", account.report())
    return account


def report_start(bench: Workbench, request: InvocationRequest) -> None:
    """Generate `platform.start`."""
    managed = bench.plan.managed
    record = events.start(
        request_id=request.request_id,
        version=bench.plan.function_version,
        function_arn=request.function_arn if managed else "",
        tracing=request.tracing,
    )
    bench.telemetry.emit("platform.start", record)


def max_memory_mb(bench: Workbench, sandbox: Sandbox | None) -> int:
    """Return the highest memory use of the cgroup, else of the runtime alone; 0 if unknown."""
    peak_bytes = bench.isolation.peak_memory_bytes()
    program = sandbox.parties.runtime.program if sandbox else None
    if peak_bytes is None and program:
        program.usage()
        peak_bytes = program.peak.peak_rss_bytes if program.peak else 0
    return min(bench.plan.memory_mb, -(-(peak_bytes or 0) // _MIB))


async def _tell(
    bench: Workbench, sandbox: Sandbox, request: InvocationRequest, flight: Flight
) -> None:
    """Answer every `next`; or extensions late, or only the runtime, as the plan says."""
    slow_ms = bench.plan.faults.slow_next_ms
    if not slow_ms:
        _send_invoke(bench, sandbox, request)
    await kill_first_extension(bench, sandbox, KillPoint.INVOKE, request.number)
    flight.dispatched_s = time.monotonic()
    sandbox.parties.runtime.invoke(flight)
    if slow_ms:
        await asyncio.sleep(slow_ms / 1000)
        _send_invoke(bench, sandbox, request)


def _send_invoke(bench: Workbench, sandbox: Sandbox, request: InvocationRequest) -> None:
    if bench.plan.faults.never_next:
        return
    for extension in sandbox.parties.extensions:
        if "INVOKE" in extension.events:
            extension.send(extension_answer(request))


async def _runtime_done(
    bench: Workbench, sandbox: Sandbox, request: InvocationRequest, flight: Flight
) -> Failure | None:
    """Wait for the runtime, then generate runtimeDone unless an extension ended first."""
    failure = await _until(sandbox, request, lambda: flight.done_s)
    sandbox.parties.pump()
    of_extension = sandbox.parties.failed_extension() is not None
    if not bench.plan.faults.no_runtime_done and not (failure and of_extension):
        record = runtime_done(request, flight, failure, time.monotonic())
        bench.telemetry.emit("platform.runtimeDone", record)
    return failure


async def _until(
    sandbox: Sandbox, request: InvocationRequest, done: Callable[[], float | None]
) -> Failure | None:
    """Wait until a time is set; return a failure meanwhile, or the timeout."""

    def settled() -> Failure | float | None:
        return done() or sandbox.failure()

    left_s = request.arrived_s + request.timeout_s - time.monotonic()
    result = await sandbox.changes.until(settled, left_s)
    if result is None:
        return task_timeout(request.timeout_s)
    return result if isinstance(result, Failure) else None


def _ready_s(sandbox: Sandbox) -> float | None:
    """Return the time at which the last extension called next; None while one is busy or gone."""
    if not sandbox.parties.all_extensions(ExtensionState.READY):
        return None
    return max((it.ready_s for it in sandbox.parties.extensions), default=time.monotonic())
