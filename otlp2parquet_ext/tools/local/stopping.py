"""Ends a generation: the runtime, then SHUTDOWN and two seconds, then SIGKILL.

    stop: SIGTERM to the runtime (≤ 300 ms) ─▶ SHUTDOWN to extensions ─▶ their exit ─▶ SIGKILL
    kill: SIGKILL to all processes, without SHUTDOWN

This module also kills processes for the plan's faults. A killed process is *gone* when its exit was
seen, not when the signal was sent, because its last lines are read only then.

Source: AWS lambda-runtime-environment, "Shutdown phase".
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.plan import KillPoint
from otlp2parquet_ext.tools.local.requests import NextResponse

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.extension import Extension
    from otlp2parquet_ext.tools.local.runtime import Runtime
    from otlp2parquet_ext.tools.local.sandbox import Sandbox
    from otlp2parquet_ext.tools.local.workbench import Workbench

SHUTDOWN_S = 2.0
_RUNTIME_STOP_S = 0.3
_KILL_S = 5.0
_SAMPLE_S = 0.01
_EMULATOR_REASONS = {
    "spindown": "SandboxTerminated",
    "timeout": "Timeout",
    "failure": "ReleaseFail",
}


async def stop(
    bench: Workbench, sandbox: Sandbox, reason: str, *, kill_runtime: bool
) -> float | None:
    """End a generation.

    Args:
        bench: the shared objects of the environment.
        sandbox: the generation.
        reason: `spindown`, `timeout` or `failure`.
        kill_runtime: send SIGKILL to the runtime without SIGTERM before.

    Returns:
        Milliseconds from SHUTDOWN to the last exit; None if no extension received it.
    """
    parties, telemetry = sandbox.parties, bench.telemetry
    ask = bool(parties.extensions) and not kill_runtime
    budget_s = SHUTDOWN_S - await _stop_runtime(bench, sandbox, ask=ask)
    if kill_runtime:
        telemetry.flush()  # a crash closes the function's streams, which closes the batch
    took_ms = None
    listening = [it for it in parties.extensions if it.alive and not it.failed]
    if listening:
        await telemetry.before_shutdown()
        sent_s = time.monotonic()
        _send_shutdown(bench, listening, reason, budget_s)
        telemetry.after_shutdown()
        await _kill_during_shutdown(bench, listening)
        await _wait_for_exits(sandbox, listening, sent_s + budget_s)
        took_ms = (time.monotonic() - sent_s) * 1000
    await kill(bench, sandbox)
    return took_ms


async def kill(bench: Workbench, sandbox: Sandbox) -> None:
    """End a generation by SIGKILL."""
    await _kill(bench, sandbox.parties.runtime)
    for extension in sandbox.parties.extensions:
        await _kill(bench, extension)
    await sandbox.close()
    await bench.telemetry.end_generation()


async def kill_first_extension(
    bench: Workbench, sandbox: Sandbox, point: KillPoint, at: int
) -> None:
    """Kill the first extension if the plan has this point; return when it is gone."""
    fault = bench.plan.faults.kill
    if fault and (fault.point, fault.at) == (point, at):
        for extension in sandbox.parties.extensions[:1]:
            await _kill(bench, extension, fault.number)


def kill_after_delivery(bench: Workbench, sandbox: Sandbox, acknowledged: int) -> None:
    """Kill the first extension if the plan names this delivery."""
    fault = bench.plan.faults.kill
    if fault and (fault.point, fault.at) == (KillPoint.DELIVERY, acknowledged):
        for program in [it.program for it in sandbox.parties.extensions[:1]]:
            if program:
                program.signal(fault.number)


def _send_shutdown(
    bench: Workbench, extensions: list[Extension], reason: str, budget_s: float
) -> None:
    spelled = _EMULATOR_REASONS[reason] if bench.plan.faults.emulator_reasons else reason
    event = {
        "eventType": "SHUTDOWN",
        "shutdownReason": spelled,
        "deadlineMs": round((time.time() + budget_s) * 1000),
    }
    answer = NextResponse(json.dumps(event).encode(), {"Content-Type": "text/plain"})
    for extension in extensions:
        if "SHUTDOWN" in extension.events:
            extension.send(answer)
        elif extension.program:  # without SHUTDOWN registered, it gets no time
            extension.program.signal(signal.SIGKILL)


async def _kill_during_shutdown(bench: Workbench, extensions: list[Extension]) -> None:
    fault = bench.plan.faults.kill
    if fault and fault.point is KillPoint.SHUTDOWN:
        await asyncio.sleep(fault.at / 1000)
        await _kill(bench, extensions[0], fault.number)


async def _wait_for_exits(sandbox: Sandbox, extensions: list[Extension], end_s: float) -> None:
    def gone() -> bool | None:
        return None if any(it.alive for it in extensions) else True

    while gone() is None and (left_s := end_s - time.monotonic()) > 0:
        # Its last flush may be its largest, so memory is measured until its end.
        for extension in extensions:
            if extension.program:
                extension.program.usage()
        await sandbox.changes.until(gone, min(_SAMPLE_S, left_s))


async def _stop_runtime(bench: Workbench, sandbox: Sandbox, *, ask: bool) -> float:
    """Stop the runtime; return the seconds that it took."""
    began_s = time.monotonic()
    runtime = sandbox.parties.runtime
    if runtime.program and ask:
        runtime.program.signal(signal.SIGTERM)
        await runtime.program.wait(_RUNTIME_STOP_S)
    await _kill(bench, runtime)
    return time.monotonic() - began_s


async def _kill(
    bench: Workbench, party: Runtime | Extension, number: signal.Signals = signal.SIGKILL
) -> None:
    if party.program and party.program.exit_code is None:
        party.program.signal(number)
        bench.isolation.thaw()  # a frozen process does not die before it thaws
        await party.program.wait(_KILL_S)
