"""One connection through the counting proxy: requests in, their answers or their faults out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from http_messages import Message, read_body, read_head, unmounted
from proxy_plan import Cut, Fault, Flood

if TYPE_CHECKING:
    from counting_proxy import Proxy

LIMIT_BYTES = 1 << 27
NO_BODY = (204, 304)
SPACES = b" " * 65_536
HANGS = (Cut.HANG, Cut.HANG_AFTER)


class Passage:
    """One connection of a client, and one to the server while it lives."""

    def __init__(
        self,
        proxy: Proxy,
        target: tuple[str, int],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy, self._target = proxy, target
        self._reader, self._writer = reader, writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._fault: Fault | None = None  # of the request read last

    async def run(self) -> None:
        """Pass on requests until either side ends."""
        try:
            while request := await self._next_request():
                if not await self._pass_on(request):
                    return
        finally:
            if self._server:
                self._server[1].close()

    async def _pass_on(self, request: Message) -> bool:
        """Let one request have its answer, or its fault; tell whether more may follow."""
        started_s = time.perf_counter()
        if self._proxy.witness is not None and self._proxy.witness(request):
            self._writer.transport.abort()
            return False
        fault = self._fault
        cut = fault.what if fault and isinstance(fault.what, Cut) else None
        answer: Message | None = None
        try:
            answer = await self._answer(request, fault)
        finally:
            # In the book before the client can know: who has an answer may count at once.
            self._proxy.note(request, None if cut else answer, started_s)
        if cut in HANGS:
            while await self._reader.read(65_536):  # until the client has enough
                pass
        if answer is None or cut not in (None, Cut.HALF):
            return False
        if fault and isinstance(fault.what, Flood) and _has_body(request, answer):
            await self._flood(answer, fault.what)
            return False
        self._writer.write(answer.head + answer.body[: len(answer.body) // 2 if cut else None])
        await self._writer.drain()
        return cut is None and not (answer.closes or request.closes)

    async def _flood(self, answer: Message, flood: Flood) -> None:
        """Send an answer and spaces behind it, until the client has had enough."""
        lines = [
            line
            for line in answer.head.decode("latin-1").split("\r\n")
            if line and not line.lower().startswith(("content-length:", "transfer-encoding:"))
        ]
        chunked = flood.framing == "chunks"
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif flood.framing == "length":
            lines.append(f"Content-Length: {max(flood.size_bytes, len(answer.body))}")
        else:
            lines.append("Connection: close")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        sent = 0
        while sent < flood.size_bytes:
            part = SPACES[: flood.size_bytes - sent] if sent else answer.body or SPACES
            self._writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            await self._writer.drain()
            sent += len(part)
        if chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def _next_request(self) -> Message | None:
        """Return the next request; None when the client or the idle server has hung up."""
        coming = asyncio.ensure_future(self._read_request())
        server = (asyncio.ensure_future(self._server[0].read(1)),) if self._server else ()
        try:
            await asyncio.wait((coming, *server), return_when=asyncio.FIRST_COMPLETED)
            return await coming if coming.done() else None
        finally:
            for task in (coming, *server):
                task.cancel()
            await asyncio.gather(coming, *server, return_exceptions=True)

    async def _read_request(self) -> Message | None:
        head = await read_head(self._reader)
        if head is None:
            return None
        if head.headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._fault = self._proxy.strike(head)
        if self._fault and self._fault.what is Cut.UPLOAD:
            await self._reader.readexactly(int(head.headers.get("content-length", 0)) // 2)
            self._writer.transport.abort()
            return head
        head.body = await read_body(self._reader, head, ends_with_connection=False)
        return head

    async def _answer(self, request: Message, fault: Fault | None) -> Message | None:
        """Return the server's answer or the fault's, after the delay; None if there is none."""
        delay_s = self._proxy.delay_s(request)
        await asyncio.sleep(delay_s / 2)
        if fault is None or fault.what in (Cut.AFTER, Cut.HALF, Cut.HANG_AFTER):
            answer = await self._forward(request)
        elif isinstance(fault.what, int):
            answer = _made_up(fault, fault.what)
        elif isinstance(fault.what, Flood):
            status = fault.what.status
            answer = _made_up(fault, status) if status else await self._forward(request)
        else:
            return None
        await asyncio.sleep(delay_s / 2)
        return answer

    async def _forward(self, request: Message) -> Message:
        """Let the server answer."""
        if self._server is None:
            self._server = await asyncio.open_connection(*self._target, limit=LIMIT_BYTES)
        reader, writer = self._server
        writer.write(unmounted(request.head, self._proxy.mount) + request.body)
        await writer.drain()
        while answer := await read_head(reader):
            if not answer.first[1].startswith("1"):  # a 100 was given by us
                break
        if answer is None:
            raise ConnectionResetError
        if _has_body(request, answer):
            answer.body = await read_body(reader, answer, ends_with_connection=True)
        return answer


def _made_up(fault: Fault, status: int) -> Message:
    """Make the answer the server did not give."""
    headers = {"Content-Length": str(len(fault.body)), **fault.headers}
    lines = [
        f"HTTP/1.1 {status} Injected",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Message(head, fault.body, ["HTTP/1.1", str(status)])


def _has_body(request: Message, answer: Message) -> bool:
    """Tell whether an answer may have a body at all."""
    return request.first[0] != "HEAD" and int(answer.first[1]) not in NO_BODY
