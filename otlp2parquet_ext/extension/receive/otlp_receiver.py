"""The OTLP endpoint of the sandbox: it receives the exports of the function's own SDK.

    POST /v1/{logs,traces,metrics} --> Accepted --accept()--> 200, its records in the spool
                                                     +------> 503, the exporter keeps them

It listens on the loopback address only. Connections are kept alive, as the specification requires;
this is safe because client and server freeze together (keep_alive_server.py). The parser of
requests is imported by `warm_up` or with the first request.

Source: OpenTelemetry Protocol specification 1.10, "OTLP/HTTP".
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.extension.receive.body_limits import Bodies, TooLongError, TooMuchError
from otlp2parquet_ext.extension.receive.http1 import BadRequestError
from otlp2parquet_ext.extension.receive.keep_alive_server import TICK_S, Answer, Server
from otlp2parquet_ext.records.otlp import exchange
from otlp2parquet_ext.records.otlp.exchange import (
    ExportCall,
    Reply,
    read_head,
    refusal,
    reply,
    too_long,
)
from otlp2parquet_ext.records.otlp.requests import Signal

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from otlp2parquet_ext.extension.receive.keep_alive_connection import Request
    from otlp2parquet_ext.records.otlp.requests import Accepted

CONNECTIONS = 64
INLINE_BYTES = 16_384
"""Most bytes of a body that is read on the loop. A longer one, or a compressed one that may become
longer, is read on a thread: see docs/otlp.md."""


class OtlpReceiver:
    """OTLP/HTTP on one listening socket.

    Args:
        accept: takes the records of one request, on the loop. Returns None when they are in the
            spool, else the reason why not. The client then keeps them, so they are not counted as a
            loss.
        limit_bytes: most bytes of a body that is read, both as sent and uncompressed.
        tick_s: see `Server`.
    """

    def __init__(
        self,
        accept: Callable[[Signal, Accepted], str | None],
        limit_bytes: int,
        *,
        tick_s: float = TICK_S,
    ) -> None:
        self._accept = accept
        self._bodies = Bodies(limit_bytes)
        # One thread, so that only one request at a time takes memory to be inflated and decoded.
        self._reading = ThreadPoolExecutor(1, "otlp")
        self._server = Server(self._handle, CONNECTIONS, tick_s=tick_s)

    async def start(self, listener: socket.socket) -> None:
        """Serve a socket that already listens; connections queued by the kernel come first."""
        self._server.open(listener)

    async def warm_up(self) -> None:
        """Import the parser of requests on the thread, so that the first export need not wait."""
        call = ExportCall(Signal.TRACES, json=False, encoding="identity")
        await self._on_thread(call, b"")

    def stop(self) -> None:
        """Stop accepting connections and close the open ones."""
        self._server.close()
        self._reading.shutdown(wait=False)

    async def _handle(self, request: Request) -> Answer:
        head = request.head
        call = read_head(
            head.method.decode(),
            head.path.decode("latin-1"),
            head.content_type,
            head.content_encoding,
        )
        found = call if isinstance(call, Reply) else await self._answer(call, request)
        return Answer(found.status, found.headers, found.body)

    async def _answer(self, call: ExportCall, request: Request) -> Reply:
        try:
            with self._server.reading(request):
                body = await request.read_body(self._bodies)
        except TooMuchError:
            return refusal(503, "too many requests at a time", json=call.json)
        except BadRequestError as error:
            return refusal(400, f"the body: {error}", json=call.json)
        except TooLongError:
            return too_long(call, self._bodies.limit_bytes)
        try:
            return await self._take(call, body)
        except Exception as error:  # noqa: BLE001 - a bug of ours costs one request
            problem = f"{type(error).__name__}: {quote(error)}"
            log("error", f"an OTLP request of {len(body)} bytes is refused: {problem}")
            return refusal(500, problem, json=call.json)
        finally:
            self._bodies.release(len(body))

    async def _take(self, call: ExportCall, body: bytes) -> Reply:
        if call.encoding == "identity" and len(body) <= INLINE_BYTES:
            accepted = exchange.read_body(call, body, self._bodies.limit_bytes)
        else:
            accepted = await self._on_thread(call, body)
        if isinstance(accepted, Reply):
            return accepted
        reason = self._accept(call.signal, accepted) if accepted.payload else None
        if reason is not None:
            return refusal(503, reason, json=call.json)
        return reply(call, accepted)

    def _on_thread(self, call: ExportCall, body: bytes) -> asyncio.Future[Accepted | Reply]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(
            self._reading, exchange.read_body, call, body, self._bodies.limit_bytes
        )
