"""One generation of an execution environment: start, INIT, SHUTDOWN.

    start extensions ─▶ all registered ─▶ start runtime ─▶ all called next ─▶ (invocations) ─▶ stop

A reset ends one `Sandbox` and begins another: new processes, new registrations, the same /tmp.
`Workbench` is what generations share.

Source: AWS lambda-runtime-environment, "Lambda execution environment lifecycle".
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.local import events
from otlp2parquet_ext.local.failure import Failure, extension_exit, init_timeout, runtime_exit
from otlp2parquet_ext.local.parties import (
    Answer,
    Changes,
    Extension,
    Parties,
    Runtime,
    extension_run,
)
from otlp2parquet_ext.local.pipes import LogPipes
from otlp2parquet_ext.local.plan import Kill, KillPoint, LogFormat
from otlp2parquet_ext.local.processes import Program, start
from otlp2parquet_ext.local.states import ExtensionState, RuntimeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.local.clock import ActiveClock
    from otlp2parquet_ext.local.isolation import Isolation
    from otlp2parquet_ext.local.outcome import ExtensionRun
    from otlp2parquet_ext.local.plan import ExtensionProgram, Plan
    from otlp2parquet_ext.local.telemetry import Telemetry

SHUTDOWN_MS = 2_000
_RUNTIME_STOP_S = 0.3
_KILL_S = 5.0
_SAMPLE_S = 0.01
_EMULATOR_REASONS = {
    "spindown": "SandboxTerminated",
    "timeout": "Timeout",
    "failure": "ReleaseFail",
}


@dataclass(frozen=True)
class Workbench:
    """What all generations of one environment share."""

    plan: Plan
    clock: ActiveClock
    telemetry: Telemetry
    isolation: Isolation
    function_variables: Mapping[str, str]
    extension_variables: Mapping[str, str]
    function: Mapping[str, str]  # names, versions and instance of initStart
    function_lines: list[str]


@dataclass(frozen=True)
class InitResult:
    """How INIT ended: its duration, and the failure if it failed."""

    duration_ms: float
    failure: Failure | None = None


class Sandbox:
    """The processes of one generation."""

    def __init__(self, bench: Workbench, generation: int, phase: str) -> None:
        self._bench = bench
        self._phase = phase
        self.changes = Changes()
        self.parties = Parties(
            generation=generation,
            changes=self.changes,
            runtime=Runtime(changes=self.changes, concurrent=bench.plan.managed),
        )
        self.shutdown_ms: float | None = None

    async def init(self, limit_ms: float) -> InitResult:
        """Start everything and wait until everyone is ready.

        Args:
            limit_ms: INIT is given up after this.
        """
        began_s = time.monotonic()
        emit = self._bench.telemetry.emit
        kind = {
            "initialization_type": self._bench.plan.initialization_type,
            "phase": self._phase,
        }
        emit(
            "platform.initStart",
            events.init_start(
                **kind, function=self._bench.function, memory_mb=self._bench.plan.memory_mb
            ),
        )
        failure = await self._start_all(began_s + limit_ms / 1000)
        duration_ms = (time.monotonic() - began_s) * 1000
        self.pump()
        for extension in self.parties.extensions:
            self._report_extension(extension)
        emit(
            "platform.initReport",
            events.init_report(
                **kind,
                status=failure.status if failure else "success",
                error_type=failure.error_type if failure else "",
                duration_ms=duration_ms,
            ),
        )
        self.parties.initialising = False
        self._bench.telemetry.init_over()
        return InitResult(duration_ms, failure)

    def failure(self) -> Failure | None:
        """Return why this generation cannot go on, None while it can."""
        extension = self.parties.failed_extension()
        if extension:
            return extension_exit(extension)
        runtime = self.parties.runtime
        if not runtime.failed:
            return None
        if runtime.state is RuntimeState.INIT_ERROR:
            return Failure(runtime.error_type, "", payload=runtime.error_payload)
        return self._exit_failure()

    async def kill_first_extension(self, point: KillPoint, at: int) -> None:
        """Kill the first extension if the plan has this point; return when it has gone."""
        if self._bench.plan.faults.kill == Kill(point=point, at=at):
            await self._kill(next(it for it in self.parties.extensions if it.external))

    def kill_after_delivery(self, acknowledged: int) -> None:
        """Kill the first extension if the plan has this delivery as its point."""
        if self._bench.plan.faults.kill == Kill(point=KillPoint.DELIVERY, at=acknowledged):
            for extension in self.parties.extensions[:1]:
                if extension.program:
                    extension.program.signal(signal.SIGKILL)

    def extension_runs(self) -> list[ExtensionRun]:
        """Return what is known of this generation's extension processes."""
        return [
            extension_run(it, self.parties.generation)
            for it in self.parties.extensions
            if it.external
        ]

    async def stop(self, reason: str, *, kill_runtime: bool) -> None:
        """End this generation: the runtime, then SHUTDOWN and two seconds, then SIGKILL.

        Args:
            reason: `spindown`, `timeout` or `failure`.
            kill_runtime: without asking it first.
        """
        telemetry = self._bench.telemetry
        budget_s = SHUTDOWN_MS / 1000
        budget_s -= await self._stop_runtime(ask=not kill_runtime and bool(self.parties.extensions))
        if kill_runtime:
            telemetry.flush()  # a crash closes the function's streams, and with them the batch
        listening = [it for it in self.parties.extensions if it.alive and not it.failed]
        if listening:
            await telemetry.before_shutdown()
            told_s = time.monotonic()
            self._tell_shutdown(listening, reason, budget_s)
            telemetry.after_shutdown()
            await self._kill_during_shutdown(listening)
            await self._wait_for_exits(listening, told_s + budget_s - time.monotonic())
            self.shutdown_ms = (time.monotonic() - told_s) * 1000
        for extension in self.parties.extensions:
            await self._kill(extension)
        self.pump()
        await telemetry.end_generation()
        self._close()

    async def kill(self) -> None:
        """End this generation without a word."""
        for party in self._members():
            await self._kill(party)
        await self._bench.telemetry.end_generation()
        self._close()

    async def _start_all(self, end_s: float) -> Failure | None:
        plan = self._bench.plan
        for program in plan.extensions:
            failure = self._start_extension(program)
            if failure:
                return failure
        registered = await self.changes.until(self._registered, end_s - time.monotonic())
        failure = self.failure()
        if failure or not registered:
            return failure or init_timeout(plan.init_limit_ms)
        failure = self._start_runtime()
        if failure is None:
            await self.changes.until(self._runtime_settled, end_s - time.monotonic())
            self.pump()
            failure = self.failure()
            if failure is None and self.parties.runtime.state is RuntimeState.STARTED:
                failure = init_timeout(plan.init_limit_ms)
        self._report_runtime(failure)
        if failure:
            return failure
        ready = await self.changes.until(self._everyone_ready, end_s - time.monotonic())
        return self.failure() or (None if ready else init_timeout(plan.init_limit_ms))

    def _start_extension(self, program: ExtensionProgram) -> Failure | None:
        extension = Extension(name=program.name, external=True, changes=self.changes)
        self.parties.extensions.append(extension)
        pipes = LogPipes(self._bench.telemetry.emit, "extension", extension.lines, objects=False)
        try:
            extension.program = start(
                program.command,
                variables=self._bench.extension_variables,
                folder=Path("/"),
                sinks=pipes.lines(),
                frames=None,
                isolation=self._bench.isolation,
                on_exit=extension.exited,
            )
        except OSError as error:
            extension.state = ExtensionState.LAUNCH_ERROR
            extension.error_type = "Extension.LaunchError"
            return Failure(
                "Extension.LaunchError",
                f"extension {program.name}: {program.command[0]}: {error.strerror or error}",
            )
        return None

    def _start_runtime(self) -> Failure | None:
        plan, runtime = self._bench.plan, self.parties.runtime
        objects = plan.managed or plan.log_format is LogFormat.JSON
        pipes = LogPipes(
            self._bench.telemetry.emit, "function", self._bench.function_lines, objects=objects
        )
        command = python_command(plan.handler) if plan.handler else plan.command
        try:
            runtime.program = start(
                command,
                variables=self._bench.function_variables,
                folder=plan.code,
                sinks=pipes.lines(),
                frames=pipes.frames() if plan.handler and not plan.managed else None,
                isolation=self._bench.isolation,
                on_exit=runtime.exited,
            )
        except OSError as error:
            runtime.exited()
            return Failure("Runtime.InvalidEntrypoint", f"{command[0]}: {error.strerror or error}")
        return None

    def _registered(self) -> bool | None:
        waiting = any(it.state is ExtensionState.STARTED for it in self.parties.extensions)
        return None if waiting and not self.failure() else True

    def _runtime_settled(self) -> bool | None:
        settled = self.parties.runtime.state is not RuntimeState.STARTED
        return True if settled or self.failure() else None

    def _everyone_ready(self) -> bool | None:
        ready = self.parties.all_extensions(ExtensionState.READY)
        return True if ready or self.failure() else None

    def _exit_failure(self) -> Failure:
        program = self.parties.runtime.program
        code = program.exit_code if program else None
        killed = code == -signal.SIGKILL and self._bench.isolation.oom_kills() > 0
        return runtime_exit(code, out_of_memory=killed)

    def _report_runtime(self, failure: Failure | None) -> None:
        self._bench.telemetry.emit(
            "platform.initRuntimeDone",
            events.init_runtime_done(
                initialization_type=self._bench.plan.initialization_type,
                phase=self._phase,
                status=failure.status if failure else "success",
                error_type=failure.error_type if failure else "",
            ),
        )

    def _report_extension(self, extension: Extension) -> None:
        failed = extension.failed
        self._bench.telemetry.emit(
            "platform.extension",
            events.extension(
                name=extension.name,
                state=extension.state,
                events=extension.events,
                error_type=extension.error_type if failed else "",
            ),
        )

    def _tell_shutdown(self, extensions: list[Extension], reason: str, budget_s: float) -> None:
        spelled = _EMULATOR_REASONS[reason] if self._bench.plan.faults.emulator_reasons else reason
        event = {
            "eventType": "SHUTDOWN",
            "shutdownReason": spelled,
            "deadlineMs": round((time.time() + budget_s) * 1000),
        }
        answer = Answer(json.dumps(event).encode(), {"Content-Type": "text/plain"})
        for extension in extensions:
            if "SHUTDOWN" in extension.events:
                extension.told_to_shut_down = True
                extension.tell(answer)
            elif extension.program:
                extension.program.signal(signal.SIGKILL)

    async def _kill_during_shutdown(self, extensions: list[Extension]) -> None:
        kill = self._bench.plan.faults.kill
        if kill and kill.point is KillPoint.SHUTDOWN:
            await asyncio.sleep(kill.at / 1000)
            await self._kill(extensions[0])

    async def _wait_for_exits(self, extensions: list[Extension], limit_s: float) -> None:
        def gone() -> bool | None:
            return None if any(it.alive for it in extensions) else True

        end_s = time.monotonic() + limit_s
        while gone() is None and time.monotonic() < end_s:
            # Its last flush may be its largest: memory is read while it lasts.
            for extension in extensions:
                if extension.program:
                    extension.program.usage()
            await self.changes.until(gone, min(_SAMPLE_S, end_s - time.monotonic()))

    async def _stop_runtime(self, *, ask: bool) -> float:
        """Return the seconds it took."""
        began_s = time.monotonic()
        program = self.parties.runtime.program
        if program and ask:
            program.signal(signal.SIGTERM)
            await program.wait(_RUNTIME_STOP_S)
        await self._kill(self.parties.runtime)
        self.pump()
        return time.monotonic() - began_s

    async def _kill(self, party: Runtime | Extension) -> None:
        if party.program and party.program.exit_code is None:
            party.program.signal(signal.SIGKILL)
            self._bench.isolation.thaw()  # a frozen process does not die before it thaws
            await party.program.wait(_KILL_S)

    def _members(self) -> list[Runtime | Extension]:
        return [self.parties.runtime, *self.parties.extensions]

    def _programs(self) -> list[Program]:
        return [party.program for party in self._members() if party.program]

    def pump(self) -> None:
        """Read what all pipes hold now: lines come before the event that follows them."""
        for program in self._programs():
            program.pump()

    def _close(self) -> None:
        for program in self._programs():
            program.close()


def python_command(handler: str) -> tuple[str, ...]:
    """Return how AWS's Python runtime interface client is started."""
    return (sys.executable, "-m", "awslambdaric", handler)
