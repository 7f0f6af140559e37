"""Invocations on Lambda Managed Instances: concurrent, never frozen; timeouts are only reported.

There is no INVOKE event and no runtimeDone; the report has the response's spans. A crash ends the
environment: its running invocations fail, and the next one gets another environment.

Source: AWS lambda-managed-instances-execution-environment.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.tools.local.accounting import Account
from otlp2parquet_ext.tools.local.failure import Failure, task_timeout
from otlp2parquet_ext.tools.local.invoking import refuse, report_start
from otlp2parquet_ext.tools.local.requests import runtime_answer
from otlp2parquet_ext.tools.local.runtime import Flight

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.plan import Plan
    from otlp2parquet_ext.tools.local.requests import InvocationRequest
    from otlp2parquet_ext.tools.local.sandbox import InitResult, Sandbox
    from otlp2parquet_ext.tools.local.workbench import Workbench


class ManagedEnvironment(Protocol):
    """The part of an environment that concurrent invocations need; see `Environment`."""

    plan: Plan
    sandbox: Sandbox | None
    bench: Workbench

    def request(self, number: int) -> InvocationRequest:
        """Return the request of an invocation, the first is number 1."""

    def account_for(self, account: Account) -> None:
        """Record a finished invocation."""

    async def init(self, phase: str, limit_ms: float) -> InitResult:
        """Start a generation."""

    async def reset(self, failure: Failure) -> None:
        """End the generation; the next invocation starts another."""


async def serve_managed(environment: ManagedEnvironment) -> None:
    """Run the plan's invocations, `concurrency` at a time."""
    numbers = iter(range(1, environment.plan.invocations + 1))
    replacing = asyncio.Lock()

    async def client() -> None:
        for number in numbers:
            await _one(environment, number, replacing)
            await asyncio.sleep(environment.plan.gap_ms / 1000)

    await asyncio.gather(*(client() for _ in range(environment.plan.concurrency)))


async def _one(environment: ManagedEnvironment, number: int, replacing: asyncio.Lock) -> None:
    request = environment.request(number)
    async with replacing:
        failure = await _replace_if_broken(environment)
    if failure or environment.sandbox is None:
        failure = failure or Failure("Sandbox.Failure", "the environment has ended")
        environment.account_for(refuse(environment.bench, request, failure))
        return
    account = await invoke_managed(environment.bench, environment.sandbox, request)
    environment.account_for(account)


async def _replace_if_broken(environment: ManagedEnvironment) -> Failure | None:
    """Replace an unhealthy environment; return why the new one fails, if it does."""
    failure = environment.sandbox.failure() if environment.sandbox else None
    if failure:
        await environment.reset(failure)
    if environment.sandbox is None:
        return (await environment.init("init", environment.plan.init_limit_ms)).failure
    return None


async def invoke_managed(bench: Workbench, sandbox: Sandbox, request: InvocationRequest) -> Account:
    """Run one invocation, concurrently with others."""
    report_start(bench, request)
    flight = Flight(request.request_id, runtime_answer(request), dispatched_s=time.monotonic())
    runtime = sandbox.parties.runtime
    runtime.invoke(flight)

    def settled() -> Failure | float | None:
        return flight.done_s or sandbox.failure()

    result = await sandbox.changes.until(settled, request.timeout_s)
    failure = result if isinstance(result, Failure) else None
    if result is None:
        failure = task_timeout(request.timeout_s)
        runtime.abandon(flight)
    sandbox.parties.pump()
    account = Account(
        plan=bench.plan,
        request=request,
        flight=flight,
        failure=failure,
        initialised=True,
        ended_s=flight.done_s or time.monotonic(),
        init_ms=None,
        restore_ms=None,
        max_memory_mb=0,
    )
    bench.telemetry.emit("platform.report", account.report())
    return account
