"""Batches: what is stored when, by a flush side that fails, hangs or is slow as a test tells it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otlp2parquet_ext.batches import Batches
from otlp2parquet_ext.flush_side import Receipt
from otlp2parquet_ext.settings import load
from otlp2parquet_ext.spool import Frame, Kind, Segment, Spool, digest_of, read_frames
from otlp2parquet_ext.spool.frames import encode_header
from otlp2parquet_ext.spool.spool import RECOVERED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

WAIT_S = 20.0


@dataclass
class ScriptedFlushSide:
    """Stores into a list.

    Attributes:
        failures: what the next stores raise.
        stored: bodies of each stored segment.
        may_store, may_commit: work waits for these.
    """

    failures: list[Exception] = field(default_factory=list)
    stored: list[list[bytes]] = field(default_factory=list)
    may_store: threading.Event = field(default_factory=threading.Event)
    may_commit: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_store.set()
        self.may_commit.set()

    def store(self, segment: Segment) -> Receipt:
        """Keep the bodies of a segment."""
        self.may_store.wait(WAIT_S)
        if self.failures:
            raise self.failures.pop(0)
        frames = (f for f in read_frames(segment.read()) if isinstance(f, Frame))
        self.stored.append([f.payload for f in frames if f.kind is Kind.DELIVERY])
        return Receipt(1, 0, 0, 1, 1)

    def commit(self, deadline_ms: int) -> int:
        """Do nothing, as slowly as told."""
        del deadline_ms
        self.may_commit.wait(WAIT_S)
        return 1

    @property
    def bodies(self) -> list[bytes]:
        """All bodies, in the order of storing."""
        return [body for bodies in self.stored for body in bodies]


@dataclass
class Bench:
    """Batches over a real spool and a scripted flush side."""

    folder: Path
    spool: Spool
    flush_side: ScriptedFlushSide
    batches: Batches


def bench(folder: Path, **variables: str) -> Bench:
    """Set everything up; nothing becomes due by age unless told."""
    environ = {"OTLP2PARQUET_DESTINATION": "file:///x", "TIMEOUT_MS": "900000"}
    settings = load(environ | variables)[0]
    spool = Spool(folder, 64 << 20, 1 << 20)
    batches = Batches(settings, spool, import_ms=1)
    flush_side = ScriptedFlushSide()
    batches._flush_side = flush_side  # type: ignore[assignment]
    return Bench(folder, spool, flush_side, batches)


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run one asynchronous test body, bounded."""
    asyncio.run(asyncio.wait_for(test(), WAIT_S))


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until a condition holds; `run` bounds it."""
    while not condition():  # noqa: ASYNC110 - what it waits for happens on other threads
        await asyncio.sleep(0.005)


def test_all_of_hundreds_of_leftovers_are_flushed(tmp_path: Path) -> None:
    """They are taken over a part at a time, and the next part follows by itself."""
    count = 2 * RECOVERED + 50
    for number in range(count):
        folder = tmp_path / "otlp2parquet_ext" / f"{number}-0"
        folder.mkdir(parents=True)
        body = b"%d" % number
        header = encode_header(Kind.DELIVERY, 1, body, digest_of(body))
        (folder / "00000001.seg").write_bytes(header + body)

    async def test() -> None:
        at = bench(tmp_path)
        at.batches.recover()
        await until(lambda: len(at.flush_side.bodies) == count)
        assert sorted(map(int, at.flush_side.bodies)) == list(range(count))

    run(test)
