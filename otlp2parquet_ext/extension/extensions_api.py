"""The Extensions API from inside the event loop: waiting for `next` while the receiver works.

`lifecycle.calls` defines the calls and their order; this module sends them over a socket. Every
call uses its own connection. `next` has no time limit, because the environment may be frozen for
minutes while we wait.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.retry import Attempts
from otlp2parquet_ext.extension.lifecycle import calls

if TYPE_CHECKING:
    from otlp2parquet_ext.extension.bootstrap import Booted

RECEIVE_BYTES = 65_536
ANSWER_BYTES = 65_536
"""Most bytes of one answer of Lambda; an event has a few hundred."""

ATTEMPTS = 3
FIRST_WAIT_MS, LONGEST_WAIT_MS = 100, 200


class ApiError(Exception):
    """Lambda does not answer `next` any more, so no further event can come."""


class ExtensionsApi:
    """The connection to Lambda after start-up.

    Args:
        booted: the result of start-up; its pending `next` is the first one received here.
    """

    def __init__(self, booted: Booted) -> None:
        self._booted = booted

    async def next(self) -> bytes:
        """Return the body of the next event.

        Raises:
            ApiError: `ATTEMPTS` calls in a row failed.
        """
        attempts = Attempts(FIRST_WAIT_MS, LONGEST_WAIT_MS, most=ATTEMPTS)
        while True:
            try:
                answer = await self._next_once()
            except (OSError, ValueError) as error:
                problem = quote(error)
            else:
                if answer.status == 200:
                    return answer.body
                problem = f"HTTP {answer.status} {quote(answer.body)}"
            if (pause_ms := attempts.pause_ms()) is None:
                break
            await asyncio.sleep(pause_ms / 1_000)
        raise ApiError(f"next failed {ATTEMPTS} times, last with: {problem}")

    async def _next_once(self) -> calls.ApiResponse:
        pending = self._booted.pending
        self._booted.pending = None
        if pending is not None:
            return await self._receive(socket.socket(fileno=pending.detach()))
        request = calls.next_event(self._booted.settings, self._booted.identifier)
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, self._booted.api)
        host = f"{self._booted.api[0]}:{self._booted.api[1]}"
        await loop.sock_sendall(connection, request.encode(host))
        return await self._receive(connection)

    async def _receive(self, connection: socket.socket) -> calls.ApiResponse:
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        loop = asyncio.get_running_loop()
        data = b""
        with connection:
            while True:
                chunk = await loop.sock_recv(connection, RECEIVE_BYTES)
                data += chunk
                if len(data) > ANSWER_BYTES:
                    raise ValueError(f"an answer exceeds {ANSWER_BYTES} bytes")
                response = calls.parse_response(data, closed=not chunk)
                if response is not None:
                    return response
