"""The runtime of one generation: its state, its running invocations, and its waiting `next`.

A `Flight` is one running invocation; its times are taken when calls arrive. By default one runs at
a time, and a table defines the order of calls. On Managed Instances several run, and only the order
of the runtime's first call is checked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.states import (
    RUNTIME,
    IllegalStateError,
    RuntimeCall,
    RuntimeState,
    runtime_after,
)

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.changes import Changes
    from otlp2parquet_ext.tools.local.processes import Program
    from otlp2parquet_ext.tools.local.requests import NextResponse


class UnknownInvocationError(Exception):
    """The runtime named an invocation that is not running: 400 `InvalidRequestID`."""


@dataclass(eq=False)
class Flight:
    """One running invocation; times are monotonic seconds.

    Attributes:
        request_id: id of the invocation.
        answer: answer to the runtime's `next`.
        dispatched_s: time at which it was sent to the runtime.
        began_s, ended_s: times of the first and last byte of the response; None before.
        done_s: time at which the runtime was done with it; None before.
        response: the response, or the error document if `error_type` is not "".
    """

    request_id: str
    answer: NextResponse
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
        concurrent: invocations run concurrently, and the order of calls is not checked.
        error_type, error_payload: values of `init/error`.
    """

    changes: Changes
    concurrent: bool = False
    state: RuntimeState = RuntimeState.STARTED
    error_type: str = ""
    error_payload: bytes = b""
    program: Program | None = None
    ready_s: float | None = None
    restored: asyncio.Event = field(default_factory=asyncio.Event)
    _next_request: deque[asyncio.Future[NextResponse]] = field(default_factory=deque)
    _queue: deque[Flight] = field(default_factory=deque)
    _flights: dict[str, Flight] = field(default_factory=dict)
    _current: Flight | None = None

    def call(self, call: RuntimeCall) -> None:
        """Change the state by a call.

        Raises:
            IllegalCallError: it is out of order.
        """
        if self.concurrent and self.state is RuntimeState.READY and call is not RuntimeCall.EXIT:
            if call in (RuntimeCall.INIT_ERROR, RuntimeCall.RESTORE_NEXT):
                raise IllegalStateError(f"state transition from {self.state} by {call} failed")
            return
        self.state = runtime_after(self.state, call)
        self.changes.notify()

    async def next(self) -> NextResponse:
        """Wait for an invocation; the previous one is done."""
        self.call(RuntimeCall.NEXT)
        now = time.monotonic()
        if self.ready_s is None:
            self.ready_s = now
        if self._current and not self.concurrent:
            self._current.done_s = now
            self._current = None
        if not self.concurrent:
            self._cancel_next()
        request: asyncio.Future[NextResponse] = asyncio.get_running_loop().create_future()
        self._next_request.append(request)
        self._dispatch()
        self.changes.notify()
        return await request

    def invoke(self, flight: Flight) -> None:
        """Send an invocation now, or as the answer to the coming `next`."""
        self._queue.append(flight)
        self._dispatch()

    def flight(self, request_id: str) -> Flight:
        """Return the running invocation with this id.

        Raises:
            UnknownInvocationError: there is none, or it has ended.
        """
        flight = self._flights.get(request_id)
        if flight is None:
            raise UnknownInvocationError(request_id)
        return flight

    def respond(self, flight: Flight, response: bytes, error_type: str = "") -> None:
        """Store the response, or the error document with its type.

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
        """Refuse later answers to an invocation that timed out."""
        self._flights.pop(flight.request_id, None)

    def fail_init(self, call: RuntimeCall, error_type: str, payload: bytes) -> None:
        """Store the error document of `init/error` or `restore/error`."""
        self.call(call)
        self.error_type = error_type
        self.error_payload = payload

    def exited(self) -> None:
        """Note that the process has ended."""
        self.state = RUNTIME.get((self.state, RuntimeCall.EXIT), RuntimeState.EXITED)
        self._cancel_next()
        self.changes.notify()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.program is not None and self.program.exit_code is None

    @property
    def failed(self) -> bool:
        """Whether it can never be ready again."""
        return self.state in (RuntimeState.INIT_ERROR, RuntimeState.EXITED)

    def _dispatch(self) -> None:
        while self._queue and self._next_request:
            request = self._next_request.popleft()
            if request.done():
                continue
            flight = self._queue.popleft()
            self.call(RuntimeCall.INVOCATION)
            flight.dispatched_s = time.monotonic()
            self._flights[flight.request_id] = flight
            if not self.concurrent:
                self._current = flight
            request.set_result(flight.answer)

    def _cancel_next(self) -> None:
        while self._next_request:
            self._next_request.popleft().cancel()
