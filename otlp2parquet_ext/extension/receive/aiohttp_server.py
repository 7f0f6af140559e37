"""An aiohttp server on a port of the sandbox, whose connections are few and do not hang.

It serves clients who are in the sandbox with us and keep their connections alive: OTLP exporters.
Lambda's deliveries have a receiver of their own, without aiohttp (receiver.py).

    connection --> request pending --> answering --> idle, kept alive --> next request pending
                   closed after                      until its place is
                   `LONGEST_READ_TICKS`                  needed

Time is counted in ticks of running time, not read from a clock: Lambda freezes us between any two
instructions, and after a freeze every clock says that the client has been silent for minutes.

Idle connections are not closed for their age. Who keeps one alive freezes with us, so it is as
good after an hour as after a second; and a server that closes one just when its client writes to
it costs a request.
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
    "lingering_time": 0.5,  # reading on after an answer, so that a refusal is not lost in a reset
    "max_line_size": 4_096,
    "max_field_size": 4_096,
    "max_headers": 64,
    "read_bufsize": 65_536,
}


async def read_body(request: web.BaseRequest, bodies: Bodies) -> bytes:
    """Read a body; who gets it gives it back with `bodies.release`.

    Raises:
        TooLongError, TooMuchError, TooManyChunksError: and nothing of it is held.
        ConnectionError: the client went, or was cut off.
    """
    bodies.announce(request.content_length)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = Body()
    if not request.body_exists:
        return b""  # all such requests share one stream, which ends for the first one only
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
    """A connection whose client may end its side once its requests are written.

    What it wrote before is answered, then the connection is closed.

    Attributes:
        answered: requests that were.
        ended: the client will write nothing more.
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
        """Tell whether a request has come that is not answered."""
        return self._request_count > self.answered

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether the connection stays open, for answers that are still to be written."""
        self.ended = True
        request = self._current_request
        return self.waits and (request is None or request.content.is_eof())


class Server(web.Server):
    """An HTTP server whose connections are few and do not hang.

    Args:
        handle: answers one request.
        most: open connections. One more evicts the connection whose request has been pending
            longest, else the one idle longest; it is closed itself when all are being answered.
        tick_s: how long a tick is.
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
        """Make what serves one connection."""
        return _Connection(self)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Make room for a connection; its request is pending from now on."""
        super().connection_made(handler, transport)
        if len(self._open) >= self._most:
            victim = next(iter(self._reading_ticks), None) or next(iter(self._idle), handler)
            self._cut_off(victim)
            if victim is handler:
                return
        self._open.add(handler)
        self._read_begins(handler)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        self._forget(handler)

    def cut_off_all(self) -> None:
        """Close all connections; `shutdown` would wait for the idle ones' next request."""
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
            return web.Response()  # to nobody: the client went, or was cut off
        finally:
            if handler in self._open:
                self._idle[handler] = None

    @contextmanager
    def reading(self, request: web.BaseRequest) -> Iterator[None]:
        """Cut the client off if the block, which waits for its bytes, takes too long."""
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
        """Count one tick for each pending request; a freeze is one tick, however long it was."""
        self._ticking = None
        for handler in list(self._reading_ticks):
            self._reading_ticks[handler] += 1
            if self._reading_ticks[handler] > LONGEST_READ_TICKS:
                self._cut_off(handler)
        if self._reading_ticks:
            self._tick_later()
