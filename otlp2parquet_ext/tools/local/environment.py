"""One execution environment, run from the first INIT to the last SHUTDOWN.

    sandbox 0: server ─▶ INIT ─▶ invoke, freeze, gap, thaw, invoke … ─▶ SHUTDOWN
                  └─ failure ─▶ reset ─▶ sandbox 1: INIT inside the next invocation …

`run` is for callers without an event loop, `run_async` for those with one. Both kill all processes
and remove the cgroups before they return or raise.

Source: AWS lambda-runtime-environment.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local import stopping
from otlp2parquet_ext.tools.local.clock import ActiveClock
from otlp2parquet_ext.tools.local.failure import Failure
from otlp2parquet_ext.tools.local.invoking import invoke, refuse
from otlp2parquet_ext.tools.local.isolation import Isolation
from otlp2parquet_ext.tools.local.managed import serve_managed
from otlp2parquet_ext.tools.local.outcome import Outcome
from otlp2parquet_ext.tools.local.parties import extension_runs
from otlp2parquet_ext.tools.local.plan import KillPoint
from otlp2parquet_ext.tools.local.requests import new_request
from otlp2parquet_ext.tools.local.sandbox import Sandbox
from otlp2parquet_ext.tools.local.server import temporary_folder
from otlp2parquet_ext.tools.local.telemetry import Telemetry
from otlp2parquet_ext.tools.local.variables import function_variables, region
from otlp2parquet_ext.tools.local.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otlp2parquet_ext.tools.local.accounting import Account
    from otlp2parquet_ext.tools.local.outcome import ExtensionRun, Invocation
    from otlp2parquet_ext.tools.local.pipes import OnLine
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.requests import InvocationRequest
    from otlp2parquet_ext.tools.local.sandbox import InitResult

    Progress = Callable[[Invocation], None]


def run(plan: Plan, progress: Progress | None = None, on_line: OnLine | None = None) -> Outcome:
    """Run a plan to its end, in a new event loop.

    Args:
        plan: the plan to run.
        progress: called after each invocation.
        on_line: called with source (`function` or an extension's name) and text of each line.

    Returns:
        The outcome of the run. A failing function is an outcome, not an error.

    Raises:
        OSError: no folder could be made for /tmp.
    """
    return asyncio.run(run_async(plan, progress, on_line))


async def run_async(
    plan: Plan, progress: Progress | None = None, on_line: OnLine | None = None
) -> Outcome:
    """Run a plan to its end; see `run`."""
    with temporary_folder(plan) as tmp:
        return await Environment(plan, tmp, progress, on_line).run()


class Environment:
    """One execution environment and its generations."""

    def __init__(
        self,
        plan: Plan,
        tmp: Path,
        progress: Progress | None = None,
        on_line: OnLine | None = None,
    ) -> None:
        self.plan = plan
        self.clock = ActiveClock()
        self.telemetry = Telemetry(plan, self.clock, self._acknowledged)
        self.accounts: list[Account] = []
        self.sandbox: Sandbox | None = None
        self._tmp = tmp
        self._progress = progress
        self._on_line = on_line
        self._generation = 0
        self._resets = 0
        self._first_init: InitResult | None = None
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self._restored = False
        self._extension_runs: list[ExtensionRun] = []
        self._function_lines: list[str] = []
        self._shutdown_ms: float | None = None
        self._arn = (
            f"arn:aws:lambda:{region(plan, os.environ)}:{plan.account_id}"
            f":function:{plan.function_name}"
        )

    async def run(self) -> Outcome:
        """Run the plan."""
        isolation = Isolation(self.plan, f"otlp2parquet-{os.getpid()}-{secrets.token_hex(3)}")
        try:
            self.bench = self._workbench(isolation)
            try:
                await self._serve()
            finally:
                await self._clean_up()
            return self._outcome(isolation)
        finally:
            isolation.close()

    async def _serve(self) -> None:
        await self.init("init", self.plan.init_limit_ms)
        if self.plan.managed:
            await serve_managed(self)
        else:
            await self._serve_one_by_one()
        self._thaw()
        if self.sandbox:
            await self.end("spindown", kill_runtime=False)

    async def _serve_one_by_one(self) -> None:
        if self.plan.snapstart:
            await self._freeze()
        for number in range(1, self.plan.invocations + 1):
            if number > 1:
                await asyncio.sleep(self.plan.gap_ms / 1000)
            account = await self._invocation(number)
            self.account_for(account)
            if account.failure:
                await self.reset(account.failure)
            else:
                await self._freeze()
                if self.sandbox:
                    await stopping.kill_first_extension(
                        self.bench, self.sandbox, KillPoint.BETWEEN, number
                    )

    async def init(self, phase: str, limit_ms: float) -> InitResult:
        """Start a generation; remove it again if it fails."""
        self.sandbox = Sandbox(self.bench, self._generation, phase)
        self._generation += 1
        self._restored = False
        self.bench.isolation.boost(on=self.plan.init_boost)
        result = await self.sandbox.init(limit_ms)
        self.bench.isolation.boost(on=False)
        self._first_init = self._first_init or result
        if result.failure:
            await self.reset(result.failure)
        elif phase == "init":
            self._init_ms = result.duration_ms
        return result

    def account_for(self, account: Account) -> None:
        """Record a finished invocation."""
        self.accounts.append(account)
        if self._progress:
            self._progress(account.invocation())

    async def reset(self, failure: Failure) -> None:
        """End the generation; the next invocation starts another."""
        self._resets += 1
        await self.end(failure.shutdown_reason, kill_runtime=True)

    async def end(self, reason: str, *, kill_runtime: bool) -> None:
        """End the generation, for any reason."""
        sandbox = self.sandbox
        if sandbox is None:
            return
        shutdown_ms = await stopping.stop(self.bench, sandbox, reason, kill_runtime=kill_runtime)
        self.sandbox = None
        self._extension_runs += extension_runs(sandbox.parties)
        if reason == "spindown":
            self._shutdown_ms = shutdown_ms

    def request(self, number: int) -> InvocationRequest:
        """Make the request of invocation `number`, now."""
        return new_request(self.plan, number, self._arn)

    async def _invocation(self, number: int) -> Account:
        request = self.request(number)
        self._thaw()
        failure = await self._make_ready()
        if failure or self.sandbox is None:
            failure = failure or Failure("Sandbox.Failure", "the environment has ended")
            return refuse(self.bench, request, failure)
        init_ms, self._init_ms = self._init_ms, None
        restore_ms, self._restore_ms = self._restore_ms, None
        return await invoke(
            self.bench,
            self.sandbox,
            request,
            init_ms=None if self.plan.snapstart else init_ms,
            restore_ms=restore_ms,
        )

    async def _make_ready(self) -> Failure | None:
        """Start a generation if there is none; resume it if it is a snapshot."""
        failure = self.sandbox.failure() if self.sandbox else None
        if failure:  # it ended while it was frozen
            await self.reset(failure)
        if self.sandbox is None:
            result = await self.init("invoke", self.plan.timeout_s * 1000)
            if result.failure:
                return result.failure
        if self.sandbox and self.plan.snapstart and not self._restored:
            self._restored = True
            result = await self.sandbox.restore()
            self._restore_ms = result.duration_ms
            if result.failure:
                await self.reset(result.failure)
            return result.failure
        return None

    async def _freeze(self) -> None:
        if self.plan.freeze:
            self.clock.freeze()
            await self.bench.isolation.freeze()

    def _thaw(self) -> None:
        self.bench.isolation.thaw()
        self.clock.thaw()

    async def _clean_up(self) -> None:
        """Kill all processes, also after an error or Ctrl-C."""
        self._thaw()
        if self.sandbox:
            await stopping.kill(self.bench, self.sandbox)

    def _acknowledged(self, count: int) -> None:
        if self.sandbox:
            stopping.kill_after_delivery(self.bench, self.sandbox, count)

    def _workbench(self, isolation: Isolation) -> Workbench:
        version = self.plan.function_version
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"
        function = {
            "functionName": self.plan.function_name,
            "functionVersion": version,
            "instanceId": stream,
        }
        if self.plan.handler:
            major, minor = sys.version_info[:2]
            where = region(self.plan, os.environ)
            function["runtimeVersion"] = f"python:{major}.{minor}.v1"
            function["runtimeVersionArn"] = f"arn:aws:lambda:{where}::runtime:local"
        return Workbench(
            plan=self.plan,
            clock=self.clock,
            telemetry=self.telemetry,
            isolation=isolation,
            variables=lambda api: function_variables(
                self.plan, caller=os.environ, api=api, tmp=self._tmp, log_stream=stream
            ),
            function=function,
            function_lines=self._function_lines,
            on_line=self._on_line,
        )

    def _outcome(self, isolation: Isolation) -> Outcome:
        first = self._first_init
        failure = first.failure if first else None
        return Outcome(
            invocations=tuple(account.invocation() for account in self.accounts),
            init_ms=first.duration_ms if first else 0.0,
            init_error=failure.error_type if failure else "",
            init_error_payload=failure.document() if failure else b"",
            extensions=tuple(self._extension_runs),
            events=tuple(self.telemetry.generated),
            deliveries=tuple(self.telemetry.deliveries),
            undelivered=tuple(self.telemetry.undelivered),
            dropped_records=self.telemetry.dropped_records,
            dropped_bytes=self.telemetry.dropped_bytes,
            resets=self._resets,
            function_lines=tuple(self._function_lines),
            peak_memory_bytes=isolation.peak_memory_bytes(),
            isolation=isolation.facts,
            shutdown_ms=self._shutdown_ms,
            tmp=self._tmp,
        )
