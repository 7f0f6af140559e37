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
from otlp2parquet_ext.serving import SERVER_OPTIONS, Bodies, TooLongError, TooMuchError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from aiohttp.web_protocol import RequestHandler

HEADER_TIMEOUT_S = 5.0
BODY_TIMEOUT_S = 10.0
SMALLEST_BODY_LIMIT = 4_194_304
CONNECTIONS = 32


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
        self._bodies = Bodies(limit_bytes)
        self._refused = refused
        self._header_timeout_s = header_timeout_s
        self._body_timeout_s = body_timeout_s
        self._connections = connections
        self._server: web.Server | None = None
        self._door: Door | None = None
        self._coming_in: set[asyncio.Task[object]] = set()
        self._waiting: dict[RequestHandler, asyncio.TimerHandle] = {}

    async def start(self, listener: socket.socket) -> None:
        """Serve a socket that is listening already; what the kernel has queued comes first."""
        self._server = web.Server(self._handle, **SERVER_OPTIONS)
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
        try:
            async with asyncio.timeout(self._body_timeout_s):
                body = await self._bodies.read(request)
        except TimeoutError:
            return web.Response(status=408)
        except TooMuchError:
            return web.Response(status=503)
        except TooLongError as error:
            self._refused(error.size_bytes)
            return web.Response(status=413)
        self._bodies.release(body)
        self._deliver(body)
        return web.Response(status=200)
