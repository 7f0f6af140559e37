"""A store that never ends holds no other batch: it is given up, kept, and tried again later."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from wall_clock import Wall

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.plan import STORE_LIMIT_MS
from otlp2parquet_ext.flush.worker import ABANDONED
from otlp2parquet_ext.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

LIMIT_MS = 500
"""Of a store here: a request has ten seconds, so none ends by itself before."""


class Trickle:
    """A collector that answers a byte at a time, without end, where a body says so.

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
    async def running(self) -> AsyncIterator[Trickle]:
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


def batches_to(url: str, folder: Path, **more: str) -> tuple[Flusher, Spool]:
    """Return batches whose every delivery is one of its own, sent to a collector."""
    environ = {
        "OTLP2PARQUET_DESTINATION": f"otlp+{url}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "MAX_ITEMS": "1",
        **more,
    }
    settings = load(environ)[0]
    flush_side = FlushPipeline(settings, environ)
    flush_side.warm_up_store()  # importing takes longer than a store may here
    flush_side.rehearse()
    spool = Spool(folder, 1 << 24, 0)
    batches = Flusher(settings, flush_side, spool, import_ms=1)
    batches._state.store_limit_ms = LIMIT_MS
    return batches, spool


async def test_a_store_that_never_ends_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    """It held the only thread that stores for ever; a segment of it is kept, and counted."""
    async with Trickle().running() as server:
        batches, spool = batches_to(server.url, tmp_path)
        batches.append(delivery("never ends"), 1)
        await until(lambda: server.begun)
        batches.append(delivery("innocent"), 1)
        await until(lambda: server.taken)
        assert b"innocent" in server.taken[0]
        await until(lambda: len(spool.sealed) == 1)
        [kept] = spool.sealed
        assert kept.crashes.unfinished
        # After SIGKILL the next process knows it by the name of the file.
        assert kept.path is not None
        assert kept.path.name.split(".")[1].count("-") == 2
        server.heals.set()
        await until(lambda: not spool.sealed)
        assert sum(b"never ends" in body for body in server.taken) >= 1


async def test_a_store_that_never_ends_is_not_tried_without_end(tmp_path: Path) -> None:
    """Each try leaves a thread behind; with no more of them others are stored all the same."""
    async with Trickle().running() as server:
        batches, spool = batches_to(server.url, tmp_path)
        batches.append(delivery("never ends"), 1)
        await until(lambda: len(batches._state.storing._abandoned) == ABANDONED)
        batches.append(delivery("innocent"), 1)
        await until(lambda: server.taken)
        assert server.begun == ABANDONED
        server.heals.set()  # the threads end, and it is tried again
        await until(lambda: not spool.sealed)


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, -5.0])
async def test_a_clock_that_is_set_abandons_no_store_and_flushes_nothing_early(
    ahead_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes ahead is no store of ten minutes, nor are the lines that wait as old as that."""
    wall = Wall(monkeypatch)
    async with Trickle().running() as server:
        batches, spool = batches_to(server.url, tmp_path, MAX_ITEMS="2")
        state = batches._state
        state.store_limit_ms = STORE_LIMIT_MS
        for _ in range(2):
            batches.append(delivery("never ends"), 1)
        await until(lambda: server.begun)
        batches.append(delivery("young"), 1)
        wall.ahead_s = ahead_s
        batches._carry_out_plan()
        await asyncio.sleep(0)
        assert state.storing.busy
        assert state.storing._abandoned == []
        assert 0 <= state.pending.store_ms < STORE_LIMIT_MS  # type: ignore[operator] # it runs
        assert spool.open is not None
        assert state.intake.buffered.items == 1
        assert state.health.may_hold(steady_ms())


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, -5.0])
async def test_a_destination_that_failed_is_left_alone_though_the_clock_is_set(
    ahead_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay before the next try is a second at first, of the clock that no one sets."""
    wall = Wall(monkeypatch)
    async with Trickle().running() as server:
        url = server.url
    batches, _ = batches_to(url, tmp_path)
    batches.append(delivery("kept"), 1)
    health = batches._state.health
    await until(lambda: health.failures(Work.STORE))
    before_ms = health.wait_ms(Work.STORE, steady_ms())
    wall.ahead_s = ahead_s
    assert 0 < batches._state.health.wait_ms(Work.STORE, steady_ms()) <= before_ms
    batches._carry_out_plan()
    assert not batches._state.storing.busy
