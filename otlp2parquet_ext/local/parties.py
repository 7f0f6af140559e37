"""The parties of one generation: the runtime, the extensions, and who waits for what.

API handlers change a party's state and call `Changes.notify`; the sandbox waits with
`Changes.until`. The times that end up in reports are taken here, when a call arrives, not when
somebody wakes up to look.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from otlp2parquet_ext.local.outcome import ExtensionRun
from otlp2parquet_ext.local.states import (
    ExtensionCall,
    ExtensionState,
    IllegalCallError,
    RuntimeCall,
    RuntimeState,
    extension_after,
    runtime_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.local.processes import Program, Usage

T = TypeVar("T")


class UnknownInvocationError(Exception):
    """The runtime named an invocation that is not running: 400 `InvalidRequestID`."""


class Changes:
    """Wakes those who wait for a condition whenever something has changed."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Let every waiter look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], T | None], limit_s: float) -> T | None:
        """Return the condition's first value that is not None; None when the limit has passed."""
        end = time.monotonic() + limit_s
        while (value := condition()) is None:
            left = end - time.monotonic()
            if left <= 0:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait({waiter}, timeout=left)
            finally:
                self._waiters.discard(waiter)
        return value


@dataclass(frozen=True)
class Answer:
    """What a `next` call is answered with."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(eq=False)
class Extension:
    """One extension of one generation.

    Attributes:
        name, external: external ones have a process of ours, internal ones live in the runtime.
        state: see `states`.
        identifier: "" before register.
        events: what it registered for.
        error_type: what it or we say it died of.
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
    told_to_shut_down: bool = False
    program: Program | None = None
    lines: list[str] = field(default_factory=list)
    registered_s: float | None = None
    first_ready_s: float | None = None
    ready_usage: Usage | None = None
    ready_s: float = 0.0
    _asking: asyncio.Future[Answer] | None = None
    _untold: Answer | None = None

    def call(self, call: ExtensionCall) -> None:
        """Move on by a call.

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

    async def next(self) -> Answer:
        """Wait for the next event; the state says READY meanwhile."""
        self.ready_s = time.monotonic()
        if self.first_ready_s is None:
            self.first_ready_s = self.ready_s
            self.ready_usage = self.program.usage() if self.program else None
        self.call(ExtensionCall.NEXT)
        if self._asking:
            self._asking.cancel()
        self._asking = asyncio.get_running_loop().create_future()
        if self._untold:
            self.tell(self._untold)
        return await self._asking

    def tell(self, answer: Answer) -> None:
        """Hand out an event now, or with the `next` that is still to come."""
        if self.state is not ExtensionState.READY or not self._asking or self._asking.done():
            self._untold = answer
            return
        self._untold = None
        self._asking.set_result(answer)
        self._asking = None
        self.call(ExtensionCall.EVENT)

    def exited(self) -> None:
        """Note that the process has ended."""
        self.error_type = self.error_type or "Extension.Crash"
        if (self.state, ExtensionCall.EXIT) in _EXITS:
            self.state = ExtensionState.EXITED
        if self._asking:
            self._asking.cancel()
        self.changes.notify()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.program is not None and self.program.exit_code is None

    @property
    def failed(self) -> bool:
        """Whether it can never be ready again."""
        return self.state in _FAILED


_FAILED = frozenset(
    {
        ExtensionState.INIT_ERROR,
        ExtensionState.EXIT_ERROR,
        ExtensionState.LAUNCH_ERROR,
        ExtensionState.EXITED,
    }
)
_EXITS = frozenset(
    (state, ExtensionCall.EXIT)
    for state in ExtensionState
    if state not in _FAILED or state is ExtensionState.EXITED
)


@dataclass(eq=False)
class Flight:
    """One invocation on its way through the runtime; times are monotonic seconds.

    Attributes:
        request_id: the invocation's.
        answer: what the runtime's `next` returns.
        dispatched_s: when it was handed out.
        began_s, ended_s: first and last byte of the response, None before.
        done_s: when the runtime was done with it; None before.
        response: the response, or the error document when `error_type` is not "".
    """

    request_id: str
    answer: Answer
    dispatched_s: float = 0.0
    began_s: float | None = None
    ended_s: float | None = None
    done_s: float | None = None
    response: bytes | None = None
    error_type: str = ""


@dataclass(eq=False)
class Runtime:
    """The runtime of one generation.

    Attributes:
        concurrent: several invocations at once; the order of calls is then not checked.
        error_type, error_payload: of `init/error`.
    """

    changes: Changes
    concurrent: bool = False
    state: RuntimeState = RuntimeState.STARTED
    error_type: str = ""
    error_payload: bytes = b""
    program: Program | None = None
    ready_s: float | None = None
    restored: asyncio.Event = field(default_factory=asyncio.Event)
    _asking: deque[asyncio.Future[Answer]] = field(default_factory=deque)
    _queue: deque[Flight] = field(default_factory=deque)
    _flights: dict[str, Flight] = field(default_factory=dict)
    _current: Flight | None = None

    def call(self, call: RuntimeCall) -> None:
        """Move on by a call.

        Raises:
            IllegalCallError: it is out of order.
        """
        if self.concurrent and self.state is RuntimeState.READY and call is not RuntimeCall.EXIT:
            if call in (RuntimeCall.INIT_ERROR, RuntimeCall.RESTORE_NEXT):
                raise IllegalCallError(f"state transition from {self.state} by {call} failed")
            return
        self.state = runtime_after(self.state, call)
        self.changes.notify()

    async def next(self) -> Answer:
        """Wait for an invocation; the one before is done."""
        self.call(RuntimeCall.NEXT)
        now = time.monotonic()
        if self.ready_s is None:
            self.ready_s = now
        if self._current and not self.concurrent:
            self._current.done_s = now
            self._current = None
        if not self.concurrent:
            self._stop_asking()
        asking: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asking.append(asking)
        self._hand_out()
        self.changes.notify()
        return await asking

    def invoke(self, flight: Flight) -> None:
        """Hand out an invocation now, or with the next `next`."""
        self._queue.append(flight)
        self._hand_out()

    def flight(self, request_id: str) -> Flight:
        """Return the running invocation of this id.

        Raises:
            UnknownInvocationError: there is none, or it is over.
        """
        flight = self._flights.get(request_id)
        if flight is None:
            raise UnknownInvocationError(request_id)
        return flight

    def respond(self, flight: Flight, response: bytes, error_type: str = "") -> None:
        """Take the response, or the error document with its type.

        Raises:
            IllegalCallError: the invocation has been answered.
        """
        self.call(RuntimeCall.ERROR if error_type else RuntimeCall.RESPONSE)
        flight.response = response
        flight.error_type = error_type
        flight.ended_s = time.monotonic()
        self._flights.pop(flight.request_id, None)
        if self.concurrent:
            flight.done_s = flight.ended_s
        self.changes.notify()

    def abandon(self, flight: Flight) -> None:
        """Refuse a later answer to an invocation whose time is over."""
        self._flights.pop(flight.request_id, None)

    def fail_init(self, call: RuntimeCall, error_type: str, payload: bytes) -> None:
        """Take the error document of `init/error` or `restore/error`."""
        self.call(call)
        self.error_type = error_type
        self.error_payload = payload

    def exited(self) -> None:
        """Note that the process has ended."""
        if self.state is not RuntimeState.INIT_ERROR:
            self.state = RuntimeState.EXITED
        self._stop_asking()
        self.changes.notify()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.program is not None and self.program.exit_code is None

    @property
    def failed(self) -> bool:
        """Whether it can never be ready again."""
        return self.state in (RuntimeState.INIT_ERROR, RuntimeState.EXITED)

    def _hand_out(self) -> None:
        while self._queue and self._asking:
            asking = self._asking.popleft()
            if asking.done():
                continue
            flight = self._queue.popleft()
            self.call(RuntimeCall.INVOCATION)
            flight.dispatched_s = time.monotonic()
            self._flights[flight.request_id] = flight
            if not self.concurrent:
                self._current = flight
            asking.set_result(flight.answer)

    def _stop_asking(self) -> None:
        while self._asking:
            self._asking.popleft().cancel()


@dataclass(eq=False)
class Parties:
    """Everyone in one generation of one environment.

    Attributes:
        generation: 0, and one more with each reset.
        initialising: registrations and subscriptions are open.
        names: of external extensions: the only ones that may register before the runtime starts.
    """

    generation: int
    changes: Changes
    runtime: Runtime
    extensions: list[Extension] = field(default_factory=list)
    initialising: bool = True

    def by_identifier(self, identifier: str) -> Extension | None:
        """Return the extension that got this identifier."""
        return next((it for it in self.extensions if it.identifier == identifier), None)

    def failed_extension(self) -> Extension | None:
        """Return an extension that has ended or given up."""
        return next((it for it in self.extensions if it.failed), None)

    def all_extensions(self, *states: ExtensionState) -> bool:
        """Whether every extension is in one of these states."""
        return all(it.state in states for it in self.extensions)


def extension_run(extension: Extension, generation: int) -> ExtensionRun:
    """Return what is known of an extension's process."""
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
