"""A commit or a redelivery that never ends stops no store, no SHUTDOWN and no later try."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from places import Place, sqlite
from trickling import LIMIT_MS, Trickle, delivery, until

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.retry import Retry
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.policy import FlushReason
from otlp2parquet_ext.flush.worker import ABANDONED
from otlp2parquet_ext.functions.committer.opening import open_place
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty table."""
    return sqlite(tmp_path)


def flusher(folder: Path, variables: Mapping[str, str]) -> tuple[Flusher, Spool]:
    """Return a flusher whose every delivery is a batch, and is committed at once."""
    environ = {**variables, "MAX_ITEMS": "1", "OTLP2PARQUET_COMMIT_INTERVAL_MS": "0"}
    settings = load(environ)[0]
    pipeline = FlushPipeline(settings, environ)
    pipeline.rehearse()  # importing takes longer than a step may here
    pipeline.warm_up_commit()
    spool = Spool(folder / "spool", 1 << 24, 0)
    made = Flusher(settings, pipeline, spool, import_ms=1)
    made._state.step_limit_ms = LIMIT_MS
    return made, spool


class Hanging:
    """Commits of a table that do not end before the test ends them.

    Attributes:
        ends: ends them.
        begun: commits that hang, or did.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *, loops: bool) -> None:
        self.ends = threading.Event()
        self.begun = 0
        self._loops = loops
        self._really = LeanTable.commit
        patch.setattr(LeanTable, "commit", self._patched())

    def more_than(self, number: int) -> bool:
        """Tell whether more commits began."""
        return self.begun > number

    def _patched(self) -> Callable[[LeanTable, Sequence[DataFile], int], None]:
        def commit(table: LeanTable, files: Sequence[DataFile], deadline_ms: int) -> None:
            self._commit(table, files, deadline_ms)

        return commit

    def _commit(self, table: LeanTable, files: Sequence[DataFile], deadline_ms: int) -> None:
        self.begun += 1
        while self._loops and not self.ends.is_set():
            pass
        self.ends.wait(20)
        self._really(table, files, deadline_ms)


@pytest.mark.parametrize("loops", [False, True], ids=["waits", "loops"])
async def test_a_commit_that_never_ends_is_given_up_and_its_batch_committed_once(
    loops: bool,  # noqa: FBT001 - a parameter
    lake: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It used the only committing thread for ever. Stores go on, and a later try commits.

    The abandoned thread wakes up later, and commits the same file.
    """
    batches, spool = flusher(tmp_path, lake.variables)
    state = batches._state
    state.health.retries[Work.COMMIT] = Retry(10, 50)
    hanging = Hanging(monkeypatch, loops=loops)
    batches.append(delivery("stuck"), 1)
    await until(lambda: hanging.begun)
    batches.append(delivery("meanwhile"), 1)
    await until(lambda: state.committing._abandoned)
    await until(lambda: not spool.sealed)  # descriptors tell any committer of both
    hanging.ends.set()
    batches.append(delivery("after"), 1)
    await until(lambda: not spool.sealed and not state.commits.uncommitted)
    await until(lambda: not any(worker.busy for worker in state.workers.values()))
    await until(lambda: state.committing.may_abandon and not state.committing._abandoned)
    assert commit_waiting(open_place(lake.variables), round(2e12)).problem == ""
    assert sorted(lake.bodies()) == ["after", "meanwhile", "stuck"]


async def test_a_catalog_that_is_locked_for_ever_stops_no_shutdown(
    lake: Place, tmp_path: Path
) -> None:
    """A commit waits for it, and everything is durable, with a descriptor, before SIGKILL."""
    batches, spool = flusher(tmp_path, lake.variables)
    state = batches._state
    batches.append(delivery("first"), 1)
    await until(lambda: not (spool.sealed or state.commits.uncommitted or state.committing.busy))
    assert lake.bodies() == ["first"]
    with locked(tmp_path):
        batches.append(delivery("stuck"), 1)
        await until(lambda: state.committing._abandoned)
        batches.append(delivery("last"), 1)
        await batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 3_000)
        assert not spool.sealed
        assert not batches.unstored
    await until(lambda: state.committing.may_abandon and not state.committing._abandoned)
    assert commit_waiting(open_place(lake.variables), round(2e12)).problem == ""
    assert sorted(lake.bodies()) == ["first", "last", "stuck"]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the catalog's database."""
    [database] = folder.rglob("*.db")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


async def test_commits_that_never_end_are_not_begun_without_end(
    lake: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each leaves a thread behind. Without further threads batches are still stored."""
    batches, spool = flusher(tmp_path, lake.variables)
    state = batches._state
    hanging = Hanging(monkeypatch, loops=False)
    for number in range(ABANDONED + 1):
        state.health.retries[Work.COMMIT] = Retry(10, 50)
        batches.append(delivery(f"{number}"), 1)
        await until(partial(hanging.more_than, number))
    assert len(state.committing._abandoned) == ABANDONED
    batches.append(delivery("more"), 1)
    await until(lambda: len(lake.inbox()) == ABANDONED + 2)
    assert hanging.begun == ABANDONED + 1
    hanging.ends.set()
    await until(lambda: not spool.sealed and not state.committing.busy)


class Refusing(Trickle):
    """A collector that first is not there; see `Trickle` for what it does then."""

    def __init__(self) -> None:
        super().__init__()
        self.there = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.there:
            await super()._serve(reader, writer)
        else:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(
                    int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                )
                writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()


async def test_a_redelivery_that_never_ends_is_given_up_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    """Its batch is kept, and sent after all others; what has it already gets nothing twice."""
    async with Trickle().running() as good, Refusing().running() as late:
        good.heals.set()
        destinations = f"otlp+{good.url},otlp+{late.url}"
        variables = {
            "OTLP2PARQUET_DESTINATION": destinations,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }
        batches, spool = flusher(tmp_path, variables)
        state = batches._state
        batches.append(delivery("never ends"), 1)
        await until(lambda: len(state.queue.undelivered) == 1)
        batches.append(delivery("innocent"), 1)
        await until(lambda: len(state.queue.undelivered) == 2)
        late.there = True
        state.health.retries[Work.REDELIVER] = Retry(10, 50)
        batches._carry_out_plan()
        await until(lambda: late.taken)
        assert late.begun >= 1
        assert b"innocent" in late.taken[0]
        batches.append(delivery("stored meanwhile"), 1)
        await until(lambda: len(good.taken) == 3)
        late.heals.set()
        await until(lambda: not spool.sealed)
        assert sum(b"innocent" in body for body in late.taken) == 1
        assert any(b"never ends" in body for body in late.taken)
        assert len(good.taken) == 3
