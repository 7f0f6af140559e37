"""One extension of one generation: its state, and its next event.

API handlers call it, and the sandbox waits for its state with `Changes`. The times for reports are
taken here when a call arrives, not when a waiter wakes up.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.outcome import ExtensionRun
from otlp2parquet_ext.tools.local.states import (
    EXTENSION,
    ExtensionCall,
    ExtensionState,
    extension_after,
)

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.changes import Changes
    from otlp2parquet_ext.tools.local.processes import Program, Usage
    from otlp2parquet_ext.tools.local.requests import NextResponse

_FAILED = frozenset(
    {
        ExtensionState.INIT_ERROR,
        ExtensionState.EXIT_ERROR,
        ExtensionState.LAUNCH_ERROR,
        ExtensionState.EXITED,
    }
)


@dataclass(eq=False)
class Extension:
    """One extension of one generation.

    Attributes:
        name, external: external ones have their own process, internal ones run in the runtime.
        state: see `states`.
        identifier: "" before register.
        events: events that it registered for.
        error_type: reason of its end, by its own report or ours.
        subscribed: whether it has a telemetry subscription.
        registered_s, ready_s: monotonic times of register and of the latest `next`.
    """

    name: str
    external: bool
    changes: Changes
    state: ExtensionState = ExtensionState.STARTED
    identifier: str = ""
    events: frozenset[str] = frozenset()
    error_type: str = ""
    subscribed: bool = False
    program: Program | None = None
    lines: list[str] = field(default_factory=list)
    registered_s: float | None = None
    first_ready_s: float | None = None
    ready_usage: Usage | None = None
    ready_s: float = 0.0
    _next_request: asyncio.Future[NextResponse] | None = None
    _next_event: NextResponse | None = None

    def call(self, call: ExtensionCall) -> None:
        """Change the state by a call.

        Raises:
            IllegalCallError: it is out of order.
        """
        self.state = extension_after(self.state, call)
        self.changes.notify()

    def register(self, events: frozenset[str]) -> None:
        """Take the registration and give it an identifier."""
        self.call(ExtensionCall.REGISTER)
        self.identifier = str(uuid.uuid4())
        self.events = events
        self.registered_s = time.monotonic()

    async def next(self) -> NextResponse:
        """Wait for the next event, in state READY."""
        self.ready_s = time.monotonic()
        if self.first_ready_s is None:
            self.first_ready_s = self.ready_s
            self.ready_usage = self.program.usage() if self.program else None
        self.call(ExtensionCall.NEXT)
        if self._next_request:
            self._next_request.cancel()
        request: asyncio.Future[NextResponse] = asyncio.get_running_loop().create_future()
        self._next_request = request
        if self._next_event:
            self.send(self._next_event)
        return await request

    def send(self, answer: NextResponse) -> None:
        """Send an event now, or as the answer to the coming `next`."""
        if (
            self.state is not ExtensionState.READY
            or not self._next_request
            or self._next_request.done()
        ):
            self._next_event = answer
            return
        self._next_event = None
        self._next_request.set_result(answer)
        self._next_request = None
        self.call(ExtensionCall.EVENT)

    def exited(self) -> None:
        """Note that the process has ended."""
        self.error_type = self.error_type or "Extension.Crash"
        self.state = EXTENSION.get((self.state, ExtensionCall.EXIT), ExtensionState.EXITED)
        if self._next_request:
            self._next_request.cancel()
        self.changes.notify()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.program is not None and self.program.exit_code is None

    @property
    def failed(self) -> bool:
        """Whether it can never be ready again."""
        return self.state in _FAILED


def extension_run(extension: Extension, generation: int) -> ExtensionRun:
    """Return the facts about an extension's process."""
    program, usage = extension.program, extension.ready_usage

    def since_start(moment_s: float | None) -> float | None:
        return (moment_s - program.started_s) * 1000 if program and moment_s else None

    return ExtensionRun(
        name=extension.name,
        generation=generation,
        register_ms=since_start(extension.registered_s),
        ready_ms=since_start(extension.first_ready_s),
        ready_cpu_ms=usage.cpu_ms if usage else None,
        ready_rss_bytes=usage.rss_bytes if usage else None,
        peak_rss_bytes=program.peak.peak_rss_bytes if program and program.peak else None,
        exit_code=program.exit_code if program else None,
        killed=program.killed if program else False,
        lines=tuple(extension.lines),
    )
