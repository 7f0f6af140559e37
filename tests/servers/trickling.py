"""A collector that answers a byte at a time, without end, and what tests of stuck jobs share."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

LIMIT_MS = 500
"""Of a store, commit or redelivery here. A request has ten seconds: none ends by itself before."""


class Trickle:
    """A collector that answers some bodies a byte at a time, without end.

    Attributes:
        begun: such answers that began.
        taken: other bodies.
        heals: answers all bodies when it is set, and ends those that were under way.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.taken: list[bytes] = []
        self.heals = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.heals.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b"never" in body and not self.heals.is_set():
                self.begun += 1
                writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not self.heals.is_set():
                    writer.write(b".")
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.heals.wait(), 0.02)
            else:
                self.taken.append(body)
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                writer.write(answer)
        writer.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until a condition holds; the time limit of a test bounds it."""
    while not condition():  # noqa: ASYNC110 - what it waits for happens on other threads
        await asyncio.sleep(0.005)


def delivery(text: str) -> bytes:
    """Return a delivery of one line."""
    event = {"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": text}
    return json.dumps([event]).encode()
