"""An HTTP server on a port of the sandbox, with limits on connections and reading times.

It serves OTLP exporters, which run in the same sandbox and keep their connections alive. Another
receiver, which closes each connection, takes Lambda's deliveries (receiver.py). Both read requests
with http1.py.

    connection --> request pending --> answering --> idle, kept alive --> next request pending
                   closed after                      until another connection
                   `LONGEST_READ_TICKS`              needs its place

Time is counted in ticks while the process runs, not read from a clock. Lambda may freeze the
environment between any two instructions, and after a freeze every clock shows a client as silent
for minutes.

Age does not close an idle connection. Its client freezes together with this server, so the
connection works after an hour as well as after a second. If the server closed it while its client
writes to it, the request would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import contextmanager
from socket import SHUT_WR
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.extension.receive.admission import LINGERING_S, PAUSE_S
from otlp2parquet_ext.extension.receive.http1 import (
    ANSWERS,
    BadRequestError,
    RequestReader,
    answer_of,
)
from otlp2parquet_ext.extension.receive.keep_alive_connection import KeptConnection, Request

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterator, Mapping

TICK_S = 1.0
LONGEST_READ_TICKS = 10


class Answer(NamedTuple):
    """An answer; the server adds its length, and whether it closes the connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server:
    """An HTTP server with limits on connections and reading times.

    Args:
        handle: answers one request.
        most: most open connections. One more evicts the connection whose request has been pending
            longest, else the one idle longest. If all are being answered, the new one is closed.
        tick_s: seconds of a tick.
    """

    def __init__(
        self,
        handle: Callable[[Request], Awaitable[Answer]],
        most: int,
        *,
        tick_s: float = TICK_S,
    ) -> None:
        self._handle = handle
        self._most = most
        self._tick_s = tick_s
        self._listener: socket.socket | None = None
        self._open: set[KeptConnection] = set()
        self._pending_ticks: dict[KeptConnection, int] = {}  # the longest first
        self._idle: dict[KeptConnection, None] = {}  # the longest first
        self._ticking: asyncio.TimerHandle | None = None

    def open(self, listener: socket.socket) -> None:
        """Serve a socket that already listens; connections queued by the kernel come first."""
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Stop accepting connections and close the open ones."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            self._cut_off(connection)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptor is left
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(PAUSE_S, self._resume, listener)
            return
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        if len(self._open) >= self._most:
            victim = next(iter(self._pending_ticks), None) or next(iter(self._idle), None)
            if victim is None:
                client.close()
                return
            self._cut_off(victim)
        connection = KeptConnection(client)
        self._open.add(connection)
        self._read_begins(connection)
        connection.task = asyncio.ensure_future(self._serve(connection))

    def _resume(self, listener: socket.socket) -> None:
        if self._listener is listener:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _cut_off(self, connection: KeptConnection) -> None:
        self._forget(connection)
        if connection.task is not None:
            connection.task.cancel()  # its task closes the socket

    def _forget(self, connection: KeptConnection) -> None:
        self._open.discard(connection)
        self._pending_ticks.pop(connection, None)
        self._idle.pop(connection, None)

    async def _serve(self, connection: KeptConnection) -> None:
        try:
            with contextlib.suppress(OSError):  # the client left
                while await self._serve_one(connection):
                    pass
        finally:
            self._forget(connection)
            connection.socket.close()

    async def _serve_one(self, connection: KeptConnection) -> bool:
        """Answer one request; return whether the connection stays open for another."""
        try:
            request = await self._read_head(connection)
        except BadRequestError:
            await self._send_last(connection, ANSWERS[400], unread=True)
            return False
        if request is None:
            return False
        self._pending_ticks.pop(connection, None)
        answer = await self._handle(request)
        head, complete = request.head, request.reader.complete
        closes = head.closes or not complete  # the rest of a body would be read as a request
        body = b"" if head.method == b"HEAD" else answer.body
        data = answer_of(answer.status, answer.headers, body, closes=closes)
        with self.reading(request):  # also limits a client that reads no answer
            if closes:
                await self._send_last(connection, data, unread=not complete)
                return False
            await connection.send(data)
        connection.rest = request.reader.rest
        self._idle[connection] = None
        return True

    async def _read_head(self, connection: KeptConnection) -> Request | None:
        """Read the head of the next request; None if the client has closed its sending side.

        Raises:
            BadRequestError: the bytes are no valid request.
        """
        reader, data = RequestReader(), connection.rest
        if data:
            await asyncio.sleep(0)  # run other tasks between pipelined requests
        while True:
            if not (data := data or await connection.receive()):
                return None
            if connection in self._idle:
                self._read_begins(connection)
            first: bytes | BadRequestError
            try:
                first = reader.feed(data)
            except BadRequestError as error:
                if reader.head is None:
                    raise
                first = error
            if reader.head is not None:
                return Request(connection, reader, reader.head, first)
            data = b""

    async def _send_last(self, connection: KeptConnection, data: bytes, *, unread: bool) -> None:
        """Send the last answer of a connection, and read on so that no reset discards it."""
        await connection.send(data)
        if not unread:
            return
        connection.socket.shutdown(SHUT_WR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGERING_S):
                while await connection.receive():
                    pass

    @contextmanager
    def reading(self, request: Request) -> Iterator[None]:
        """Close the connection if the block, which waits for its client, takes too long."""
        self._read_begins(request.connection)
        try:
            yield
        finally:
            self._pending_ticks.pop(request.connection, None)

    def _read_begins(self, connection: KeptConnection) -> None:
        if connection not in self._open:
            return
        self._idle.pop(connection, None)
        self._pending_ticks[connection] = 0
        if self._ticking is None:
            self._tick_later()

    def _tick_later(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        """Count one tick for each pending request; a freeze of any length counts as one tick."""
        self._ticking = None
        for connection in list(self._pending_ticks):
            self._pending_ticks[connection] += 1
            if self._pending_ticks[connection] > LONGEST_READ_TICKS:
                self._cut_off(connection)
        if self._pending_ticks:
            self._tick_later()
