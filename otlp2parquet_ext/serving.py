"""What a server on a port of the sandbox owes its process: bounds on connections and on bodies.

    connection --> owes a request --> is answered --> idle, kept alive --> owes the next one
                   cut off after                      until its place is
                   `PATIENCE_TICKS`                   needed

Time is counted in ticks of running time, not read from a clock: Lambda freezes us between any two
instructions, and after a freeze every clock says that the client has been silent for minutes.

Idle connections are not closed for their age. Who keeps one alive sits in the same sandbox and
freezes with us, so it is as good after an hour as after a second; and a server that closes one
just when its client writes to it costs a request.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.web_protocol import RequestHandler

TICK_S = 1.0
PATIENCE_TICKS = 10
LINGERING_S = 0.5  # reading on after an answer, so that a refusal is not lost in a reset


class TooMuchError(Exception):
    """All bodies in memory together are more than agreed; the request may come again later."""


class Server(web.Server):
    """An HTTP server whose connections are few and do not hang.

    Args:
        handle: answers one request.
        most: open connections. One more takes the place of the one that has owed a request
            longest, else of the one idle longest; it is closed itself when all are being answered.
        budget_bytes: what the bodies of all requests that are being answered may have together.
        tick_s: how long a tick is.
    """

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        most: int,
        budget_bytes: int,
        *,
        tick_s: float = TICK_S,
    ) -> None:
        super().__init__(
            self._handled,
            access_log=None,
            auto_decompress=False,
            lingering_time=LINGERING_S,
            keepalive_timeout=math.inf,
        )
        self._handle = handle
        self._most = most
        self._budget_bytes = budget_bytes
        self._tick_s = tick_s
        self._open: set[RequestHandler] = set()
        self._owing: dict[RequestHandler, int] = {}  # ticks since then
        self._idle: dict[RequestHandler, None] = {}  # longest first
        self._held: dict[RequestHandler, int] = {}  # bytes of its body
        self._ticking: asyncio.TimerHandle | None = None

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Make room for a connection, which owes us a request from now on."""
        super().connection_made(handler, transport)
        if len(self._open) >= self._most:
            victim = next(iter(self._owing), None) or next(iter(self._idle), handler)
            self._forget(victim)
            victim.force_close()
            if victim is handler:
                return
        self._open.add(handler)
        self._owes(handler)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        self._forget(handler)

    def drop_all(self) -> None:
        """Close all connections; `shutdown` would wait for the idle ones' next request."""
        for handler in self.connections:
            self._forget(handler)
            handler.force_close()

    def _forget(self, handler: RequestHandler) -> None:
        self._open.discard(handler)
        self._owing.pop(handler, None)
        self._idle.pop(handler, None)

    async def _handled(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = request.protocol
        self._owing.pop(handler, None)
        self._idle.pop(handler, None)
        try:
            return await self._handle(request)
        except ConnectionError:
            return web.Response()  # to nobody: the client went, or was cut off
        finally:
            self._held.pop(handler, None)
            if handler in self._open:
                self._idle[handler] = None

    async def read(self, request: web.BaseRequest, limit_bytes: int) -> bytes | None:
        """Return the request's body, None when it is longer than `limit_bytes`.

        Raises:
            TooMuchError: there is no room for it beside the others.
            ConnectionError: the client went, or was cut off because it took too long.
        """
        handler, chunks = request.protocol, []
        if (request.content_length or 0) > limit_bytes:
            return None
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._owes(handler)
        self._held[handler] = 0
        try:
            async for chunk in request.content.iter_any():
                chunks.append(chunk)
                self._held[handler] += len(chunk)
                if self._held[handler] > limit_bytes:
                    return None
                if sum(self._held.values()) > self._budget_bytes:
                    raise TooMuchError
        finally:
            self._owing.pop(handler, None)
        return b"".join(chunks)

    def _owes(self, handler: RequestHandler) -> None:
        self._owing[handler] = 0
        if self._ticking is None:
            self._tick_later()

    def _tick_later(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        """Count one tick for all who owe; a freeze is one tick, however long it was."""
        self._ticking = None
        for handler in list(self._owing):
            self._owing[handler] += 1
            if self._owing[handler] > PATIENCE_TICKS:
                self._forget(handler)
                handler.force_close()
        if self._owing:
            self._tick_later()
