"""The HTTP server Lambda delivers telemetry to: checks only what it must, then hands bodies on.

    door --names the path--> POST /t/<unguessable> --deliver(body)--> 200, with it in the spool

Every answer closes its connection: one kept open through a freeze would be dead when Lambda next
writes to it, and the delivery with it. Whatever the body holds, a complete one is answered 200,
because a retry cannot make it better; what is wrong with it becomes a row. Everything has a bound:
who waits (see door.py), who is served, lines, headers, one body, all bodies together, and the time
for each.

Source: AWS Lambda Developer Guide, "Telemetry API", destination and delivery.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from otlp2parquet_ext.door import Door

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from aiohttp.web_protocol import RequestHandler

HEADER_TIMEOUT_S = 5.0
BODY_TIMEOUT_S = 10.0
LINGERING_S = 0.5  # reading on after an answer, so that a refusal is not lost in a reset
SMALLEST_BODY_LIMIT = 4_194_304
BODIES_IN_FLIGHT = 2
"""All bodies being read may have so many times the bytes of the longest: the platform sends one
after the other, and an environment of 128 MB is not ours alone."""

CONNECTIONS = 32
HEADERS = 64
LINE_BYTES = 4_096
READ_BYTES = 65_536


def body_limit_bytes(platform_max_bytes: int) -> int:
    """Return the largest body that is read: Lambda may send twice its buffer plus envelopes."""
    return max(SMALLEST_BODY_LIMIT, 2 * platform_max_bytes + 262_144)


class Receiver:
    """Telemetry deliveries on one listening socket.

    Args:
        deliver: takes a complete body; when it returns, the body is safe or counted as lost.
        paths: where deliveries are accepted.
        limit_bytes: longest body that is read.
        refused: told the bytes of one that is longer, as far as they are known.
        header_timeout_s, body_timeout_s: how long a client may take for the request line, for the
            headers, and for the body, however busy it is meanwhile.
        connections: how many clients that named a path are served at a time.
    """

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        paths: frozenset[str],
        limit_bytes: int,
        *,
        refused: Callable[[int], None],
        header_timeout_s: float = HEADER_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
        connections: int = CONNECTIONS,
    ) -> None:
        self._deliver = deliver
        self._paths = paths
        self._limit_bytes = limit_bytes
        self._refused = refused
        self._header_timeout_s = header_timeout_s
        self._body_timeout_s = body_timeout_s
        self._connections = connections
        self._in_flight_bytes = 0
        self._server: web.Server | None = None
        self._door: Door | None = None
        self._coming_in: set[asyncio.Task[object]] = set()
        self._waiting: dict[RequestHandler, asyncio.TimerHandle] = {}

    async def start(self, listener: socket.socket) -> None:
        """Serve a socket that is listening already; what the kernel has queued comes first."""
        self._server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            lingering_time=LINGERING_S,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADERS,
            read_bufsize=READ_BYTES,
        )
        self._door = Door(self._paths, self._admit, patience_s=self._header_timeout_s)
        self._door.open(listener)

    async def stop(self) -> None:
        """Accept nothing more and drop open connections."""
        if self._door is not None and self._server is not None:
            self._door.close()
            await self._server.shutdown(0)

    def _admit(self, client: socket.socket) -> bool:
        assert self._server is not None
        if len(self._server.connections) + len(self._coming_in) >= self._connections:
            return False
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._connected, client))
        self._coming_in.add(task)
        task.add_done_callback(self._coming_in.discard)
        return True

    def _connected(self) -> RequestHandler:
        assert self._server is not None
        protocol = self._server()
        loop = asyncio.get_running_loop()
        self._waiting[protocol] = loop.call_later(self._header_timeout_s, self._give_up, protocol)
        return protocol

    def _give_up(self, protocol: RequestHandler) -> None:
        self._waiting.pop(protocol, None)
        protocol.force_close()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        timer = self._waiting.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        response = await self._answer(request)
        response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path not in self._paths:
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        length = request.content_length or 0
        if length > self._limit_bytes:
            self._refused(length)
            return web.Response(status=413)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                status = await self._read(request, body)
        except TimeoutError:
            status = 408
        finally:
            self._in_flight_bytes -= len(body)
        if status == 413:
            self._refused(self._limit_bytes + 1)
        elif status == 200:
            self._deliver(bytes(body))
        return web.Response(status=status)

    async def _read(self, request: web.BaseRequest, body: bytearray) -> int:
        """Fill `body`; return 413 when it is too long, 503 when there is too much at a time."""
        async for chunk in request.content.iter_any():
            body += chunk
            self._in_flight_bytes += len(chunk)
            if len(body) > self._limit_bytes:
                return 413
            if self._in_flight_bytes > BODIES_IN_FLIGHT * self._limit_bytes:
                return 503
        return 200
