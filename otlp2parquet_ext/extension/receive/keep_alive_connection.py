"""A connection that is kept alive, and a request on it; keep_alive_server.py has the limits.

receive() --> http1.RequestReader --> Request.head, then Request.read_body()
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from otlp2parquet_ext.extension.receive.admission import READ_BYTES
from otlp2parquet_ext.extension.receive.body_limits import Body
from otlp2parquet_ext.extension.receive.http1 import CONTINUE, BadRequestError

if TYPE_CHECKING:
    import socket

    from otlp2parquet_ext.extension.receive.body_limits import Bodies
    from otlp2parquet_ext.extension.receive.http1 import Head, RequestReader

READS = 4
"""Consecutive reads of one connection before other tasks run."""


class KeptConnection:
    """One connection of a client.

    Attributes:
        socket: non-blocking socket.
        rest: bytes that came after the previous request.
        task: the task that serves it.
    """

    __slots__ = ("_reads", "rest", "socket", "task")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.rest = b""
        self.task: asyncio.Task[None] | None = None
        self._reads = 0

    async def receive(self) -> bytes:
        """Return the next bytes; b"" when the client has closed its sending side."""
        self._reads += 1
        if not self._reads % READS:
            await asyncio.sleep(0)
        return await asyncio.get_running_loop().sock_recv(self.socket, READ_BYTES)

    async def receive_more(self) -> bytes:
        """Return the next bytes.

        Raises:
            ConnectionError: the client has closed its sending side.
        """
        if data := await self.receive():
            return data
        raise ConnectionResetError

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)


class Request:
    """A request with a complete head.

    Args:
        connection: source of the rest of the request.
        reader: the parser, which has parsed the head.
        head: head of the request.
        first: bytes of the body that came with the head, or the error in them.
    """

    __slots__ = ("_first", "connection", "head", "reader")

    def __init__(
        self,
        connection: KeptConnection,
        reader: RequestReader,
        head: Head,
        first: bytes | BadRequestError,
    ) -> None:
        self.connection = connection
        self.reader = reader
        self.head = head
        self._first = first

    async def read_body(self, bodies: Bodies) -> bytes:
        """Read the body; the caller releases it with `bodies.release`.

        Raises:
            TooLongError, TooMuchError, BadRequestError: the body is refused, and none is kept.
            ConnectionError: the client left.
        """
        bodies.announce(self.head.length)
        if isinstance(self._first, BadRequestError):
            raise self._first
        body = Body()
        try:
            bodies.add(body, self._first)
            if self.head.expects and not self.reader.complete:
                await self.connection.send(CONTINUE)
            while not self.reader.complete:
                bodies.add(body, self.reader.feed(await self.connection.receive_more()))
        except BaseException:
            bodies.release(body.size_bytes)
            raise
        return body.whole()
