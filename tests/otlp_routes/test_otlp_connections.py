"""Connections of exporters: kept alive, few, and none that hangs; through freezes, too."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from otlp_server import LIMIT, head, post, running, spans, until

from otlp2parquet_ext.extension.receive import keep_alive_server
from otlp2parquet_ext.extension.receive.otlp_receiver import CONNECTIONS

ABOUT = "Content-Type: application/x-protobuf"


def request(name: str) -> bytes:
    """Write a request after which the connection stays open."""
    body = spans(name)
    return head("/v1/traces", ABOUT, f"Content-Length: {len(body)}") + body


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Read one answer without a body; return its head."""
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Length: 0\r\n" in answer
    return answer


async def test_one_connection_serves_many_requests_even_pipelined() -> None:
    """The specification demands it, and a new connection takes the function's time."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for name in ("a", "b"):
            writer.write(request(name))
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        writer.write(request("c") + request("d") + request("e"))
        for _ in range(3):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        writer.close()
        assert server.spans == ["a", "b", "c", "d", "e"]


async def test_a_refused_request_does_not_cost_the_connection_where_its_body_was_read() -> None:
    """A closed connection would have to be opened again for the next request."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        server.refuse = "the spool is full"
        writer.write(request("a"))
        answer = await reader.readuntil(b"the spool is full")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Connection: close" not in answer
        server.refuse = None
        writer.write(request("a"))
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        writer.close()
        unread = await server.exchange(head("/", "Content-Length: 9"))
        assert b"Connection: close" in unread


async def test_an_idle_connection_outlives_a_freeze_of_any_length() -> None:
    """Its client froze with us. Our clock jumps, and nothing may follow from that.

    A loop that is kept from running sees what a frozen process sees: its timers are all late.
    """
    async with running(tick_s=0.01) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for name in ("before", "after"):
            writer.write(request(name))
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
            time.sleep(3 * keep_alive_server.LONGEST_READ_TICKS * 0.01)  # noqa: ASYNC251 - the freeze
        writer.close()
        assert server.spans == ["before", "after"]


async def test_a_request_frozen_half_way_is_completed() -> None:
    """The usual moment: the handler has returned while its SDK's thread was exporting."""
    async with running(tick_s=0.02) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        data = request("frozen")
        for start in range(0, len(data), 40):
            writer.write(data[start : start + 40])
            await asyncio.sleep(0.001)
            time.sleep(2 * keep_alive_server.LONGEST_READ_TICKS * 0.02)  # noqa: ASYNC251 - the freeze
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        writer.close()
        assert server.spans == ["frozen"]


async def test_a_client_that_owes_a_request_too_long_is_cut_off_without_an_answer() -> None:
    """An exporter then sends it again; after a 408 it would give up."""
    async with running(tick_s=0.01) as server:
        for begun in (b"", b"POST /v1/tr", request("never whole")[:-1]):
            assert await server.exchange(begun) == b""
        assert server.taken == []


async def test_a_kept_connection_owes_its_next_request_as_the_first_one() -> None:
    """Idle it may be for hours; half a head is a request that is pending."""
    async with running(tick_s=0.01) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request("a"))
        await read_answer(reader)
        writer.write(b"POST /v1/tr")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_a_client_that_reads_no_answer_is_cut_off() -> None:
    """Its answers fill the kernel's buffers, and it would keep its place for ever."""
    async with running(tick_s=0.01, send_bytes=4_096) as server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        loop = asyncio.get_running_loop()

        async def write_for_ever() -> None:
            while True:
                await loop.sock_sendall(client, request("a") * 100)

        with client:
            await loop.sock_connect(client, ("127.0.0.1", server.port))
            with pytest.raises(ConnectionError):
                await write_for_ever()
        assert server.receiver._server._open == set()


async def test_a_thousand_connections_leave_room_for_one_that_means_it() -> None:
    """Lambda allows a process 1 024 descriptors, and deliveries need theirs."""
    async with running() as server:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(1_000)]
        assert (await server.exchange(post("/v1/traces", spans("a")))).startswith(b"HTTP/1.1 200")
        assert len(server.receiver._server._open) <= CONNECTIONS
        closed = [await reader.read() for reader, _ in idle[: 1_000 - CONNECTIONS]]
        assert not any(closed)
        for _, writer in idle:
            writer.close()


async def test_an_exporters_idle_connection_goes_last() -> None:
    """It will send more requests. A connection that never sent one is evicted first."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request("a"))
        await read_answer(reader)
        others = [
            await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2 * CONNECTIONS)
        ]
        writer.write(request("b"))
        assert (await read_answer(reader)).startswith(b"HTTP/1.1 200")
        for _, other in (*others, (reader, writer)):
            other.close()


async def test_bodies_that_are_too_much_together_are_503_and_taken_later() -> None:
    """Each is below the limit of one; what counts is what they take of memory at the same time."""
    async with running() as server:
        halves = []
        for _ in range(3):
            half = await asyncio.open_connection("127.0.0.1", server.port)
            length = f"Content-Length: {LIMIT}"
            half[1].write(head("/v1/traces", ABOUT, length) + bytes(LIMIT * 9 // 10))
            halves.append(half)
        first = [asyncio.ensure_future(reader.readline()) for reader, _ in halves]
        done, waiting = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        assert [await line for line in done] == [b"HTTP/1.1 503 Service Unavailable\r\n"]
        assert len(waiting) == 2
        for (_, writer), line in zip(halves, first, strict=True):
            writer.close()
            line.cancel()
        await until(lambda: server.receiver._bodies.held_bytes == 0)
        answer = await server.exchange(post("/v1/traces", spans("a")))
        assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_client_that_ends_its_side_gets_all_its_answers(requests: int) -> None:
    """Some clients send a request, end their side, and read."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(map(request, "abc"[:requests])))
        writer.write_eof()
        answers = await asyncio.wait_for(reader.read(), 20)
        assert answers.count(b"HTTP/1.1 200") == requests
        assert server.spans == list("abc"[:requests])


@pytest.mark.thorough
async def test_half_a_request_of_a_client_that_ended_is_not_waited_for() -> None:
    """The rest will never come."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request("a")[:-1])
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_a_body_of_many_little_chunks_is_refused_before_it_costs_others_time() -> None:
    """Reading a chunk takes as long as kilobytes, and the platform's deliveries wait meanwhile."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head("/v1/traces", ABOUT, "Transfer-Encoding: chunked"))
        writer.write(b"1\r\nx\r\n" * 20_000)
        answer = await asyncio.wait_for(reader.readuntil(b"too many chunks"), 20)
        assert answer.startswith(b"HTTP/1.1 400")
        writer.close()
