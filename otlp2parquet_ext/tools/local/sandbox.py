"""One generation of an execution environment: its processes, and INIT.

    start extensions ─▶ all registered ─▶ start runtime ─▶ all called next ─▶ (invocations) ─▶ stop

A reset ends one `Sandbox` and begins another: new processes, a new server for their calls, new
registrations, the same /tmp. `stopping` ends a generation.

Source: AWS lambda-runtime-environment, "Lambda execution environment lifecycle".
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import events
from otlp2parquet_ext.tools.local.changes import Changes
from otlp2parquet_ext.tools.local.extension import Extension
from otlp2parquet_ext.tools.local.failure import Failure, extension_exit, init_timeout, runtime_exit
from otlp2parquet_ext.tools.local.parties import Parties
from otlp2parquet_ext.tools.local.pipes import LogSocket
from otlp2parquet_ext.tools.local.processes import start
from otlp2parquet_ext.tools.local.runtime import Runtime
from otlp2parquet_ext.tools.local.server import served
from otlp2parquet_ext.tools.local.states import ExtensionState, RuntimeCall, RuntimeState
from otlp2parquet_ext.tools.local.variables import extension_variables

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.plan import ExtensionProgram
    from otlp2parquet_ext.tools.local.processes import Program
    from otlp2parquet_ext.tools.local.workbench import Workbench

RESTORE_LIMIT_MS = 10_000
_WORKERS_SOCKET = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"


@dataclass(frozen=True)
class InitResult:
    """The result of INIT: its duration, and the failure if it failed."""

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
        self._log_socket: LogSocket | None = None
        self._server = AsyncExitStack()
        self._variables: dict[str, str] = {}

    async def init(self, limit_ms: float) -> InitResult:
        """Start all processes and wait until they are ready.

        Args:
            limit_ms: time limit of INIT.
        """
        await self._serve()
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
        failure = await self._start_all(began_s, limit_ms)
        duration_ms = (time.monotonic() - began_s) * 1000
        self.parties.pump()
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

    async def restore(self) -> InitResult:
        """Resume a SnapStart snapshot: after-restore hooks, then the runtime's `next`."""
        emit, runtime = self._bench.telemetry.emit, self.parties.runtime
        began_s = time.monotonic()
        start = events.init_start(
            initialization_type="",
            phase="",
            function=self._bench.function,
            memory_mb=self._bench.plan.memory_mb,
        )
        emit("platform.restoreStart", {key: value for key, value in start.items() if value})
        if runtime.state is RuntimeState.RESTORE_READY:
            runtime.call(RuntimeCall.RESTORE)
            runtime.restored.set()
        restored = await self.changes.until(self._restored, RESTORE_LIMIT_MS / 1000)
        failure = self.failure() or (None if restored else init_timeout(RESTORE_LIMIT_MS))
        status = failure.status if failure else "success"
        error_type = failure.error_type if failure else ""
        duration_ms = (time.monotonic() - began_s) * 1000
        self.parties.pump()
        emit("platform.restoreRuntimeDone", events.restored(status, error_type))
        emit("platform.restoreReport", events.restored(status, error_type, duration_ms))
        return InitResult(duration_ms, failure)

    async def close(self) -> None:
        """Close the server, read the remaining output of ended processes, close the pipes."""
        await self._server.aclose()
        for program in self.parties.programs():
            program.close()
        if self._log_socket:
            await self._log_socket.close()

    def failure(self) -> Failure | None:
        """Return why this generation cannot go on; None while it can."""
        extension = self.parties.failed_extension()
        if extension:
            return extension_exit(extension)
        runtime = self.parties.runtime
        if not runtime.failed:
            return None
        if runtime.state is RuntimeState.INIT_ERROR:
            return Failure(runtime.error_type, "", payload=runtime.error_payload)
        return self._exit_failure()

    async def _serve(self) -> None:
        bench = self._bench
        api = await self._server.enter_async_context(
            served(bench.plan, self.parties, bench.telemetry.subscribe)
        )
        self._variables = bench.variables(api)

    async def _start_all(self, began_s: float, limit_ms: float) -> Failure | None:
        """Start all processes and wait for them; return the first failure."""
        end_s = began_s + limit_ms / 1000
        failures = (self._start_extension(it) for it in self._bench.plan.extensions)
        failure = next((failure for failure in failures if failure), None)
        if failure:
            return failure
        registered = await self.changes.until(self._registered, end_s - time.monotonic())
        failure = self.failure() or (None if registered else init_timeout(limit_ms))
        if failure:
            return failure
        failure = await self._start_runtime()
        if failure is None:
            settled = await self.changes.until(self._runtime_ready, end_s - time.monotonic())
            self.parties.pump()
            failure = self.failure() or (None if settled else init_timeout(limit_ms))
        self._report_runtime(failure)
        if failure:
            return failure
        ready = await self.changes.until(self._everyone_ready, end_s - time.monotonic())
        return self.failure() or (None if ready else init_timeout(limit_ms))

    def _start_extension(self, program: ExtensionProgram) -> Failure | None:
        extension = Extension(name=program.name, external=True, changes=self.changes)
        self.parties.extensions.append(extension)
        try:
            extension.program = start(
                program.command,
                variables=extension_variables(self._variables),
                folder=Path("/"),
                sinks=self._bench.extension_pipes(extension).lines(),
                frames=None,
                isolation=self._bench.isolation,
                on_exit=extension.exited,
            )
        except OSError as error:
            extension.state = ExtensionState.LAUNCH_ERROR
            extension.error_type = "Extension.LaunchError"
            return _not_started(extension.error_type, program.command, error)
        if extension is self.parties.extensions[0]:
            self._kill_in_time(extension.program)
        return None

    def _kill_in_time(self, program: Program) -> None:
        """Kill the process at the plan's time for this generation, frozen or not."""
        for after_ms in self._bench.plan.faults.kill_after_ms[self.parties.generation :][:1]:
            loop = asyncio.get_running_loop()
            loop.call_later(after_ms / 1000, program.signal, signal.SIGKILL)

    async def _start_runtime(self) -> Failure | None:
        plan, runtime = self._bench.plan, self.parties.runtime
        if not plan.code.is_dir():
            runtime.exited()
            return Failure("Runtime.InvalidWorkingDir", f"{plan.code} is not a folder")
        pipes = self._bench.function_pipes()
        variables = dict(self._variables)
        if plan.managed:
            self._log_socket = LogSocket(pipes)
            await self._log_socket.open()
            variables[_WORKERS_SOCKET] = str(self._log_socket.path)
        command = python_command(plan.handler) if plan.handler else plan.command
        try:
            runtime.program = start(
                command,
                variables=variables,
                folder=plan.code,
                sinks=pipes.lines(),
                frames=pipes.frames() if plan.handler and not plan.managed else None,
                isolation=self._bench.isolation,
                on_exit=runtime.exited,
            )
        except OSError as error:
            runtime.exited()
            return _not_started("Runtime.InvalidEntrypoint", command, error)
        return None

    def _registered(self) -> bool | None:
        waiting = any(it.state is ExtensionState.STARTED for it in self.parties.extensions)
        return None if waiting and not self.failure() else True

    def _runtime_ready(self) -> bool | None:
        settled = self.parties.runtime.state is not RuntimeState.STARTED
        return True if settled or self.failure() else None

    def _restored(self) -> bool | None:
        ready = self.parties.runtime.state is RuntimeState.READY
        return True if ready or self.failure() else None

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


def python_command(handler: str) -> tuple[str, ...]:
    """Return the command of AWS's Python runtime interface client."""
    return (sys.executable, "-m", "awslambdaric", handler)


def _not_started(error_type: str, command: tuple[str, ...], error: OSError) -> Failure:
    return Failure(error_type, f"{command[0]} did not start: {error.strerror or error}")
