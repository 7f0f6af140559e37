"""The receiver: real HTTP over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from otlp2parquet_ext.extension.receive.admission import PENDING_CONNECTIONS
from otlp2parquet_ext.extension.receive.body_limits import BODIES_IN_FLIGHT
from otlp2parquet_ext.extension.receive.over_long import REMEMBERED, OverLong
from otlp2parquet_ext.extension.receive.receiver import CONNECTIONS, Receiver, body_limit_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

PATH = "/t/5f1c0e"
LIMIT = 100_000


@asynccontextmanager
async def receiving(
    bodies: list[bytes], refused: list[int] | None = None, **limits: Any
) -> AsyncIterator[int]:
    """Run a receiver on a free port that keeps its deliveries; yield the port."""
    count = [] if refused is None else refused
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    receiver = Receiver(bodies.append, frozenset({PATH}), LIMIT, refused=count.append, **limits)
    await receiver.start(listener)
    try:
        yield port
    finally:
        receiver.stop()


async def send(port: int, data: bytes) -> bytes:
    """Write raw bytes and return everything that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_delivery_is_handed_on_as_it_came_and_answered_200() -> None:
    """The receiver passes any bytes on. Invalid UTF-8 is handled by the mapping."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port, aiohttp.ClientSession() as client:
        for body in (b"[]", b"\xff not json", b""):
            async with client.post(f"http://127.0.0.1:{port}{PATH}", data=body) as answer:
                assert answer.status == 200
                assert answer.headers["Connection"] == "close"
    assert bodies == [b"[]", b"\xff not json", b""]


async def test_what_lambda_sends_before_the_server_runs_waits_in_the_kernel() -> None:
    """This is why a listening socket is enough at start-up."""
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
    receiver.stop()
    assert bodies == [b"[]"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 404), ("POST", "/t/guess", 404), ("GET", PATH, 405), ("PUT", PATH, 405)],
)
async def test_only_a_post_to_the_path_is_taken(method: str, path: str, status: int) -> None:
    """Any process of the sandbox can reach the port, but cannot guess the path."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}{path}"
        async with client.request(method, url, data=b"[]") as answer:
            assert answer.status == status
    assert bodies == []


async def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not() -> None:
    """A body is read into memory, so the receiver limits it, with and without a Content-Length."""
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


@pytest.mark.parametrize("chunked", [False, True], ids=["length told", "in chunks"])
async def test_an_over_long_delivery_that_is_sent_again_is_counted_once(*, chunked: bool) -> None:
    """The platform repeats a delivery that was not answered 200.

    Another delivery of that length counts.
    """
    refused: list[int] = []
    body = b'[{"time":"2026-03-14T09:26:53.%03dZ"' + b"x" * LIMIT

    def delivery(number: int) -> bytes:
        if not chunked:
            return post(body % number)
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        text = body % number
        return head % PATH.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)

    async with receiving([], refused) as port:
        for number in (1, 1, 2, 1, 2):
            assert (await send(port, delivery(number))).startswith(b"HTTP/1.1 413")
    assert len(refused) == 2


async def test_an_over_long_delivery_is_recognised_however_its_bytes_are_cut() -> None:
    """Head and body may arrive separately, and the body may end early."""
    refused: list[int] = []
    whole = post(b'[{"time":"2026-03-14T09:26:53.540Z"' + b"x" * LIMIT)
    async with receiving([], refused) as port:
        for cut in (len(whole), 40, whole.index(b"[{"), whole.index(b"[{") + 10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in (whole[:cut], whole[cut:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            assert (await reader.read()).startswith(b"HTTP/1.1 413")
            writer.close()
    assert len(refused) == 1


async def test_what_nothing_is_read_of_is_counted_each_time() -> None:
    """Two such deliveries look the same. Counting one twice is better than hiding one."""
    refused: list[int] = []
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    async with receiving([], refused) as port:
        for _ in range(2):
            assert b" 413 " in await send(port, head % (PATH.encode(), LIMIT + 1))
    assert refused == [LIMIT + 1, LIMIT + 1]


def test_over_long_deliveries_are_remembered_within_a_bound() -> None:
    """Each takes some hundred bytes, and 64 of them are remembered."""
    over_long = OverLong()
    assert all(over_long.is_new(5_000_000, b"%d" % number) for number in range(REMEMBERED + 1))
    assert not over_long.is_new(5_000_000, b"%d" % REMEMBERED)
    assert over_long.is_new(5_000_000, b"0")


async def test_a_compressed_body_is_not_inflated() -> None:
    """Lambda sends no compressed bodies, and decompressing those of others would be unbounded."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n" % PATH.encode()
        answer = await send(port, head + b"Content-Length: 6\r\n\r\n\x1f\x8b raw")
        assert answer.startswith(b"HTTP/1.1 200")
    assert bodies == [b"\x1f\x8b raw"]


async def test_a_client_that_sends_no_header_is_dropped() -> None:
    """A slow client (slow loris) holds a connection, and so a file descriptor."""
    async with receiving([], header_timeout_s=0.2) as port:
        assert await send(port, b"POST / HT") == b""


async def test_a_client_that_sends_half_a_body_is_answered_408() -> None:
    """Half a body is no delivery. The platform sends it again."""
    bodies: list[bytes] = []
    async with receiving(bodies, body_timeout_s=0.2) as port:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf" % PATH.encode()
        assert (await send(port, head)).startswith(b"HTTP/1.1 408")
    assert bodies == []


def test_the_body_limit_leaves_room_for_everything_the_platform_may_send() -> None:
    """The limit is twice the platform's buffer plus envelopes, and at least four megabytes."""
    assert body_limit_bytes(262_144) == 4_194_304
    assert body_limit_bytes(104_857_600) == 2 * 104_857_600 + 262_144


def post(body: bytes, more: bytes = b"", path: str = PATH) -> bytes:
    """Make a delivery as bytes."""
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (path.encode(), more)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_a_thousand_idle_connections_keep_no_delivery_out() -> None:
    """Code of the function may open any number; Lambda allows 1 024 descriptors."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all we need
        idle = []
        for number in range(1_000):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((b"", b"POST /t/", b"GET / HTTP/1.1\r\n\r\n")[number % 3])
            idle.append(writer)
            if number % 100 == 0:
                answer = await send(port, post(b"[%d]" % number))
                assert answer.startswith(b"HTTP/1.1 200")
        ours = len(os.listdir("/proc/self/fd")) - before - len(idle)  # noqa: PTH208
        assert ours <= PENDING_CONNECTIONS + CONNECTIONS
        for writer in idle:
            writer.close()
    assert bodies == [b"[%d]" % number for number in range(0, 1_000, 100)]


async def test_who_named_the_path_before_a_flood_is_served_after_it() -> None:
    """After a freeze the kernel holds the whole flood before the receiver runs again."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        flood = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        platform = socket.create_connection(("127.0.0.1", port))
        platform.sendall(post(b"[1]"))
        flood += [socket.create_connection(("127.0.0.1", port)) for _ in range(90)]
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, platform.recv, 1_000)
        assert answer.startswith(b"HTTP/1.1 200")
        for client in (*flood, platform):
            client.close()
    assert bodies == [b"[1]"]


async def test_a_stranger_is_never_closed_once_its_request_line_is_here() -> None:
    """A connection may come first and write late, and a flood must not evict it."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        flood = [
            socket.create_connection(("127.0.0.1", port)) for _ in range(PENDING_CONNECTIONS - 1)
        ]
        await asyncio.sleep(0.05)  # they are pending connections now, and it is the oldest
        writer.write(post(b"[1]"))
        flood.append(socket.create_connection(("127.0.0.1", port)))
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        for client in flood:
            client.close()
        writer.close()
    assert bodies == [b"[1]"]


async def test_who_is_one_too_many_is_told_to_come_again() -> None:
    """Only clients that know the path get there, and the platform repeats after a 503."""
    bodies: list[bytes] = []
    async with receiving(bodies, connections=2) as port:
        half = post(b"[1]")[:-1]
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in slow:
            writer.write(half)
        await asyncio.sleep(0.05)
        assert (await send(port, post(b"[2]"))).startswith(b"HTTP/1.1 503")
        for reader, writer in slow:
            writer.write(b"]")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
        assert (await send(port, post(b"[2]"))).startswith(b"HTTP/1.1 200")
    assert bodies == [b"[1]", b"[1]", b"[2]"]


async def test_bodies_in_flight_are_bounded_together() -> None:
    """Otherwise thirty clients that omit only the last byte would hold thirty bodies."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        half = post(b"x" * LIMIT)[:-1]
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        for _, writer in slow:
            writer.write(half)
        answers = await asyncio.gather(
            *(asyncio.wait_for(reader.read(12), 0.5) for reader, _ in slow),
            return_exceptions=True,
        )
        assert answers.count(b"HTTP/1.1 503") == 10 - BODIES_IN_FLIGHT
        for _, writer in slow:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await send(port, post(b"x" * LIMIT))).startswith(b"HTTP/1.1 200")
    assert bodies == [b"x" * LIMIT]


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"x" * 10_000,
        b"".join(b"X-%d: x\r\n" % number for number in range(100)),
        b"X: " + b"x" * 10_000_000,
    ],
    ids=["one long header", "a hundred headers", "a header without end"],
)
async def test_headers_are_bounded_in_length_and_number(head: bytes) -> None:
    """The platform sends a few short ones."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        try:
            answer = await send(port, post(b"[]", head + b"\r\n"))
        except ConnectionError:
            answer = b""
        assert answer == b"" or answer.split()[1] == b"400"
    assert bodies == []


async def dribble(port: int, first: bytes, more: bytes) -> tuple[bytes, float]:
    """Send `first`, then `more` again and again; return the answer and the seconds it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    writer.write(first)
    answer = asyncio.ensure_future(reader.read(12))
    while not answer.done() and time.monotonic() - started < 5:
        with contextlib.suppress(ConnectionError):
            writer.write(more)
        await asyncio.sleep(0.02)
    writer.close()
    with contextlib.suppress(ConnectionError):
        return await answer, time.monotonic() - started
    return b"", time.monotonic() - started


@pytest.mark.parametrize(
    ("first", "more", "expected"),
    [
        (b"", b"P", b""),
        (b"POST %s HTTP/1.1\r\n" % PATH.encode(), b"X: x\r\n", b""),
        (post(b"x" * 1_000)[:-1_000], b"x", b"HTTP/1.1 408"),
        (
            b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH.encode(),
            b"1\r\nx\r\n",
            b"HTTP/1.1 408",
        ),
    ],
    ids=["request line", "headers", "body", "chunks without end"],
)
@pytest.mark.timing
async def test_a_client_that_dribbles_is_cut_at_a_total_time(
    first: bytes, more: bytes, expected: bytes
) -> None:
    """A byte now and then would restart an idle timer for ever."""
    bodies: list[bytes] = []
    async with receiving(bodies, header_timeout_s=0.3, body_timeout_s=0.3) as port:
        answer, took_s = await dribble(port, first, more)
        assert answer == expected
        assert took_s < 3
    assert bodies == []


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    """Some clients that send `Expect: 100-continue` wait seconds for an answer, others for ever."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = post(b"[1]", b"Expect: 100-continue\r\n")
        writer.write(request[:-3])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(request[-3:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        too_long = post(b"x" * (LIMIT + 1), b"Expect: 100-continue\r\n")
        assert (await send(port, too_long[: -LIMIT - 1])).startswith(b"HTTP/1.1 413")
    assert bodies == [b"[1]"]


async def test_of_pipelined_requests_the_first_is_answered_and_the_rest_are_not_taken() -> None:
    """Unanswered requests are not accepted, so their sender sends them again."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        answer = await send(port, b"".join(post(b"[%d]" % number) for number in range(50)))
        assert answer.count(b"HTTP/1.1") == 1
    assert bodies == [b"[0]"]


async def test_a_bomb_is_kept_as_small_as_it_came() -> None:
    """A hundred megabytes of zeros in a hundred kilobytes are stored without decompression."""
    bodies: list[bytes] = []
    bomb = gzip.compress(bytes(50_000_000))
    async with receiving(bodies) as port:
        for coding in (b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip"):
            more = b"Content-Encoding: %b\r\n" % coding
            assert (await send(port, post(bomb, more))).startswith(b"HTTP/1.1 200")
    assert bodies == [bomb] * 5


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"POST {PATH}?a=b HTTP/1.1", 200),
        (f"POST http://sandbox.localdomain:4243{PATH} HTTP/1.1", 200),
        (f"POST {PATH}/ HTTP/1.1", 404),
        (f"POST /{PATH} HTTP/1.1", 404),
        (f"POST {PATH[:-1]} HTTP/1.1", 404),
        ("POST /" + "x" * 600, 404),
        ("no http", 404),
    ],
)
async def test_the_path_is_all_that_opens_the_door(line: str, status: int) -> None:
    """The path admits a client in every spelling that clients may use, and no other path does."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        request = f"{line}\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]".encode()
        assert (await send(port, request)).startswith(b"HTTP/1.1 %d" % status)
    assert bodies == ([b"[]"] if status == 200 else [])


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Host: x", 411),
        ("Content-Length: 2\r\nContent-Length: 3", 400),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 2\r\n folded: x", 400),
        ("Content-Length: -2", 400),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length: 2\nX: x", 400),
    ],
)
async def test_a_body_whose_end_is_not_sure_is_not_taken(head: str, status: int) -> None:
    """Part of it could be a request of another client; test_http1.py has more cases."""
    bodies: list[bytes] = []
    async with receiving(bodies) as port:
        request = f"POST {PATH} HTTP/1.1\r\n{head}\r\n\r\n[]".encode()
        assert (await send(port, request)).startswith(b"HTTP/1.1 %d " % status)
    assert bodies == []


async def test_a_bug_behind_the_receiver_costs_one_delivery_and_not_for_good() -> None:
    """The answer is 500, so the platform sends it again. The next delivery is accepted."""
    bodies: list[bytes] = []

    def deliver(body: bytes) -> None:
        if body == b"[1]":
            raise RuntimeError("a bug")
        bodies.append(body)

    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(deliver, frozenset({PATH}), LIMIT, refused=lambda _: None)
    port = listener.getsockname()[1]
    await receiver.start(listener)
    assert (await send(port, post(b"[1]"))).startswith(b"HTTP/1.1 500")
    assert (await send(port, post(b"[2]"))).startswith(b"HTTP/1.1 200")
    receiver.stop()
    assert bodies == [b"[2]"]


async def test_whoever_sent_all_of_it_while_we_were_frozen_is_not_late() -> None:
    """After a freeze every time limit has passed, and the kernel holds the bytes that arrived.

    There are more bytes than one read returns, so the limit passes before the last one is read.
    """
    bodies: list[bytes] = []
    body = b"x" * 1_500_000
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    port = listener.getsockname()[1]
    receiver = Receiver(
        bodies.append, frozenset({PATH}), 2_000_000, refused=lambda _: None, body_timeout_s=0.2
    )
    await receiver.start(listener)
    platform = socket.create_connection(("127.0.0.1", port))
    whole = post(body)
    platform.sendall(whole[:100])
    await asyncio.sleep(0.1)
    platform.settimeout(0)
    sent = 100
    while sent < len(whole):
        try:
            sent += platform.send(whole[sent:])
        except BlockingIOError:
            break
    time.sleep(0.3)  # noqa: ASYNC251 - as a freeze
    in_kernel = sent == len(whole)
    platform.settimeout(10)
    loop = asyncio.get_running_loop()
    answer = await loop.run_in_executor(None, platform.recv, 1_000)
    platform.close()
    receiver.stop()
    if not in_kernel:
        pytest.skip("this kernel keeps less of a connection")
    assert answer.startswith(b"HTTP/1.1 200")
    assert bodies == [body]


async def test_the_answer_to_a_refused_body_is_not_lost_in_a_reset() -> None:
    """The client reads the answer only after it has sent everything."""
    async with receiving([]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"x" * 1_000_000))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0.05)
        assert (await reader.read()).startswith(b"HTTP/1.1 413")
        writer.close()
