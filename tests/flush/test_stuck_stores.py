"""A store that never ends delays no other batch: it is abandoned, kept, and tried again later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from trickling import LIMIT_MS, Trickle, delivery, until
from wall_clock import Wall

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.plan import STEP_LIMIT_MS
from otlp2parquet_ext.flush.worker import ABANDONED
from otlp2parquet_ext.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


def batches_to(url: str, folder: Path, **more: str) -> tuple[Flusher, Spool]:
    """Return a flusher that makes a batch of each delivery and sends it to a collector."""
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
    batches._state.step_limit_ms = LIMIT_MS
    return batches, spool


async def test_a_store_that_never_ends_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    """It used the only storing thread for ever. Its segment is kept, and counted."""
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
    """Each try leaves a thread behind. Without further threads the others are still stored."""
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
    """A clock set ten minutes ahead makes no store, and no waiting line, ten minutes old."""
    wall = Wall(monkeypatch)
    async with Trickle().running() as server:
        batches, spool = batches_to(server.url, tmp_path, MAX_ITEMS="2")
        state = batches._state
        state.step_limit_ms = STEP_LIMIT_MS
        for _ in range(2):
            batches.append(delivery("never ends"), 1)
        await until(lambda: server.begun)
        batches.append(delivery("young"), 1)
        wall.ahead_s = ahead_s
        batches._carry_out_plan()
        await asyncio.sleep(0)
        assert state.storing.busy
        assert state.storing._abandoned == []
        assert 0 <= state.pending.running_ms[Work.STORE] < STEP_LIMIT_MS
        assert spool.open is not None
        assert state.intake.buffered.items == 1
        assert state.health.may_hold(steady_ms())


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, -5.0])
async def test_a_destination_that_failed_is_left_alone_though_the_clock_is_set(
    ahead_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay before the next try is a second at first, on the monotonic clock."""
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
