"""Turns a process's output into telemetry events and kept lines.

stdout, stderr, frames ──sink──▶ reader ──▶ LogPipes ──▶ event, kept line, `on_line`
LogSocket: the same for the workers of a Managed Instance, each with its own stream
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.tools.local.events import function_record
from otlp2parquet_ext.tools.local.frames import FrameReader, LineReader, LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from otlp2parquet_ext.tools.local.processes import Sink

    OnLine: TypeAlias = Callable[[str, str], None]

_CHUNK_BYTES = 65_536
_LAST_BYTES_S = 0.5


class Emit(Protocol):
    """`Telemetry.emit`."""

    def __call__(self, type_: str, record: object, *, time_us: int | None = None) -> None:
        """Generate one event."""


@dataclass(frozen=True)
class Kept:
    """Keeps lines in a list, and passes them to `on_line` with the name of the source."""

    source: str
    lines: list[str]
    on_line: OnLine | None

    def add(self, line: str) -> None:
        """Keep and show one line."""
        self.lines.append(line)
        if self.on_line:
            self.on_line(self.source, line)


class LogPipes:
    """The sinks of one process: each record becomes one event of a type."""

    def __init__(self, emit: Emit, type_: str, kept: Kept, *, objects: bool) -> None:
        self._emit = emit
        self._type = type_
        self._kept = kept
        self._objects = objects

    def lines(self) -> tuple[Sink, Sink]:
        """Return two sinks for stdout and stderr, so that their partial lines do not mix."""
        return self.sink(LineReader()), self.sink(LineReader())

    def frames(self) -> Sink:
        """Return a sink for log frames."""
        return self.sink(FrameReader())

    def sink(self, reader: LineReader | FrameReader) -> Sink:
        """Return a sink that feeds a reader; b"" means the end of its stream."""

        def take(data: bytes) -> None:
            for record in reader.feed(data) if data else reader.rest():
                self._take(record)

        return take

    def _take(self, record: LogRecord) -> None:
        self._kept.add(record.text.removesuffix("\n"))
        shaped = function_record(record.text, objects=self._objects)
        self._emit(self._type, shaped, time_us=record.time_us)


class LogSocket:
    """The socket for the stdout of a multi-concurrent runtime's workers.

    Source: awslambdaric, `MultiConcurrentRunner`.
    """

    def __init__(self, pipes: LogPipes) -> None:
        self._pipes = pipes
        # Not in the environment's /tmp, because the path of a socket may have at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="lambda-log-"))
        self._server: asyncio.Server | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self.path = self._folder / "log.sock"

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def close(self) -> None:
        """Read the remaining output of ended workers, then remove the socket."""
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=_LAST_BYTES_S)
            for task in late:
                task.cancel()
        if self._server:
            self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)
        sink = self._pipes.sink(LineReader())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                sink(data)
        sink(b"")
        writer.close()
