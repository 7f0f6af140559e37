"""The receiver: real HTTP over real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from otlp2parquet_ext.receiver import Receiver, body_limit_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

PATH = "/t/5f1c0e"
LIMIT = 100_000


@asynccontextmanager
async def receiving(
    bodies: list[bytes], refused: list[int] | None = None, **limits: float
) -> AsyncIterator[int]:
    """Run a receiver on a free port that keeps what it is sent; yield the port."""
    count = [] if refused is None else refused
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    receiver = Receiver(bodies.append, frozenset({PATH}), LIMIT, refused=count.append, **limits)
    await receiver.start(listener)
    try:
        yield port
    finally:
        await receiver.stop()


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run one asynchronous test body, bounded."""
    asyncio.run(asyncio.wait_for(test(), 20))


async def send(port: int, data: bytes) -> bytes:
    """Write raw bytes and return everything that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


def test_a_delivery_is_handed_on_as_it_came_and_answered_200() -> None:
    """Whatever it holds: invalid UTF-8 is the mapping's problem, not the platform's."""

    async def test() -> None:
        bodies: list[bytes] = []
        async with receiving(bodies) as port, aiohttp.ClientSession() as client:
            for body in (b"[]", b"\xff not json", b""):
                async with client.post(f"http://127.0.0.1:{port}{PATH}", data=body) as answer:
                    assert answer.status == 200
                    assert answer.headers["Connection"] == "close"
        assert bodies == [b"[]", b"\xff not json", b""]

    run(test)


def test_what_lambda_sends_before_the_server_runs_waits_in_the_kernel() -> None:
    """The reason why a listening socket is enough at start-up."""

    async def test() -> None:
        bodies: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", 0))
        early = socket.create_connection(listener.getsockname())
        early.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]" % PATH.encode())
        receiver = Receiver(bodies.append, frozenset({PATH}), LIMIT, refused=lambda _: None)
        await receiver.start(listener)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, early.recv, 1_000)
        assert answer.startswith(b"HTTP/1.1 200")
        early.close()
        await receiver.stop()
        assert bodies == [b"[]"]

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 404), ("POST", "/t/guess", 404), ("GET", PATH, 405), ("PUT", PATH, 405)],
)
def test_only_a_post_to_the_path_is_taken(method: str, path: str, status: int) -> None:
    """Any process of the sandbox can reach the port; the path is what it cannot guess."""

    async def test() -> None:
        bodies: list[bytes] = []
        async with receiving(bodies) as port, aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}{path}"
            async with client.request(method, url, data=b"[]") as answer:
                assert answer.status == status
        assert bodies == []

    run(test)


def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not() -> None:
    """A body is read into memory: its bound is ours, not the sender's."""

    async def test() -> None:
        bodies: list[bytes] = []
        refused: list[int] = []
        async with receiving(bodies, refused) as port:
            head = b"POST %s HTTP/1.1\r\nHost: x\r\n" % PATH.encode()
            told = await send(port, head + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1))
            chunk = b"%x\r\n%s\r\n" % (60_000, b"x" * 60_000)
            untold = await send(
                port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2 + b"0\r\n\r\n"
            )
            assert told.startswith(b"HTTP/1.1 413")
            assert untold.startswith(b"HTTP/1.1 413")
        assert refused == [LIMIT + 1, LIMIT + 1]
        assert bodies == []

    run(test)


def test_a_compressed_body_is_not_inflated() -> None:
    """Lambda sends none; inflating what others send would be unbounded."""

    async def test() -> None:
        bodies: list[bytes] = []
        async with receiving(bodies) as port:
            head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n" % PATH.encode()
            answer = await send(port, head + b"Content-Length: 6\r\n\r\n\x1f\x8b raw")
            assert answer.startswith(b"HTTP/1.1 200")
        assert bodies == [b"\x1f\x8b raw"]

    run(test)


def test_a_client_that_sends_no_header_is_dropped() -> None:
    """A slow-loris holds a connection, and connections are file descriptors."""

    async def test() -> None:
        async with receiving([], header_timeout_s=0.2) as port:
            assert await send(port, b"POST / HT") == b""

    run(test)


def test_a_client_that_sends_half_a_body_is_answered_408() -> None:
    """Half a body is no delivery; the platform sends it again."""

    async def test() -> None:
        bodies: list[bytes] = []
        async with receiving(bodies, body_timeout_s=0.2) as port:
            head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf" % PATH.encode()
            assert (await send(port, head)).startswith(b"HTTP/1.1 408")
        assert bodies == []

    run(test)


def test_the_body_limit_leaves_room_for_everything_the_platform_may_send() -> None:
    """Twice its buffer plus envelopes, and never below four megabytes."""
    assert body_limit_bytes(262_144) == 4_194_304
    assert body_limit_bytes(104_857_600) == 2 * 104_857_600 + 262_144
