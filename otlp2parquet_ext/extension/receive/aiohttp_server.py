"""An aiohttp server on a port of the sandbox, with limits on connections and reading times.

It serves OTLP exporters, which run in the same sandbox and keep their connections alive. Another
receiver, without aiohttp, takes Lambda's deliveries (receiver.py).

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
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from otlp2parquet_ext.extension.receive.body_limits import Body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from otlp2parquet_ext.extension.receive.body_limits import Bodies

TICK_S = 1.0
LONGEST_READ_TICKS = 10
SERVER_OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "lingering_time": 0.5,  # time to read on after an answer, so that no reset discards a refusal
    "max_line_size": 4_096,
    "max_field_size": 4_096,
    "max_headers": 64,
    "read_bufsize": 65_536,
}


async def read_body(request: web.BaseRequest, bodies: Bodies) -> bytes:
    """Read a body; the caller releases it with `bodies.release`.

    Raises:
        TooLongError, TooMuchError, TooManyChunksError: the body is refused, and none of it is kept.
        ConnectionError: the client left, or the server closed the connection.
    """
    bodies.announce(request.content_length)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = Body()
    if not request.body_exists:
        return b""  # aiohttp gives all bodiless requests one stream, which ends only once
    try:
        async for piece, ends_chunk in request.content.iter_chunks():
            bodies.add(body, piece)
            if ends_chunk:
                body.end_chunk()
    except BaseException:
        bodies.release(body.size_bytes)
        raise
    return body.whole()


class _Connection(RequestHandler):
    """A connection whose client may close its sending side after its requests.

    The requests sent before are answered, then the connection is closed.

    Attributes:
        answered: number of answered requests.
        ended: the client has closed its sending side.
    """

    __slots__ = ("answered", "ended")

    def __init__(self, server: Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=math.inf,
            **SERVER_OPTIONS,
        )
        self.ended = False
        self.answered = 0

    @property
    def waits(self) -> bool:
        """Tell whether a request has arrived that is not answered."""
        return self._request_count > self.answered

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether the connection stays open, because answers are still pending."""
        self.ended = True
        request = self._current_request
        return self.waits and (request is None or request.content.is_eof())


class Server(web.Server):
    """An HTTP server with limits on connections and reading times.

    Args:
        handle: answers one request.
        most: most open connections. One more evicts the connection whose request has been pending
            longest, else the one idle longest. If all are being answered, the new one is closed.
        tick_s: seconds of a tick.
    """

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        most: int,
        *,
        tick_s: float = TICK_S,
    ) -> None:
        super().__init__(self._handled)
        self._handle = handle
        self._most = most
        self._tick_s = tick_s
        self._open: set[RequestHandler] = set()
        self._reading_ticks: dict[RequestHandler, int] = {}  # ticks since then
        self._idle: dict[RequestHandler, None] = {}  # longest first
        self._ticking: asyncio.TimerHandle | None = None

    def __call__(self) -> RequestHandler:
        """Return the handler of one connection."""
        return _Connection(self)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Make room for a connection, and count its request as pending."""
        super().connection_made(handler, transport)
        if len(self._open) >= self._most:
            victim = next(iter(self._reading_ticks), None) or next(iter(self._idle), handler)
            self._cut_off(victim)
            if victim is handler:
                return
        self._open.add(handler)
        self._read_begins(handler)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Remove a connection from the server's state."""
        super().connection_lost(handler, exc)
        self._forget(handler)

    def cut_off_all(self) -> None:
        """Close all connections; `shutdown` would wait for the next request of idle ones."""
        for handler in self.connections:
            self._cut_off(handler)

    def _cut_off(self, handler: RequestHandler) -> None:
        self._forget(handler)
        handler.force_close()

    def _forget(self, handler: RequestHandler) -> None:
        self._open.discard(handler)
        self._reading_ticks.pop(handler, None)
        self._idle.pop(handler, None)

    async def _handled(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = request.protocol
        self._reading_ticks.pop(handler, None)
        self._idle.pop(handler, None)
        try:
            response = await self._handle(request)
            if isinstance(handler, _Connection):
                handler.answered += 1
                if handler.ended and not handler.waits:
                    response.force_close()
            return response
        except ConnectionError:
            return web.Response()  # not sent: the connection is closed
        finally:
            if handler in self._open:
                self._idle[handler] = None

    @contextmanager
    def reading(self, request: web.BaseRequest) -> Iterator[None]:
        """Close the connection if the block, which waits for the client's bytes, takes too long."""
        self._read_begins(request.protocol)
        try:
            yield
        finally:
            self._reading_ticks.pop(request.protocol, None)

    def _read_begins(self, handler: RequestHandler) -> None:
        self._reading_ticks[handler] = 0
        if self._ticking is None:
            self._tick_later()

    def _tick_later(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        """Count one tick for each pending request; a freeze of any length counts as one tick."""
        self._ticking = None
        for handler in list(self._reading_ticks):
            self._reading_ticks[handler] += 1
            if self._reading_ticks[handler] > LONGEST_READ_TICKS:
                self._cut_off(handler)
        if self._reading_ticks:
            self._tick_later()
