"""From a process's bytes to telemetry events: which reader, which event type, what else to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.local.events import function_record
from otlp2parquet_ext.local.frames import FrameReader, LineReader, LogRecord

if TYPE_CHECKING:
    from otlp2parquet_ext.local.processes import Sink


class Emit(Protocol):
    """`Telemetry.emit`."""

    def __call__(self, type_: str, record: object, *, time_us: int | None = None) -> None:
        """Generate one event."""


class LogPipes:
    """The sinks of one process: each record becomes one event of a type."""

    def __init__(self, emit: Emit, type_: str, kept: list[str], *, objects: bool) -> None:
        self._emit = emit
        self._type = type_
        self._kept = kept
        self._objects = objects

    def lines(self) -> tuple[Sink, Sink]:
        """Return sinks for stdout and stderr: half a line of one does not meet the other."""
        return self._sink(LineReader()), self._sink(LineReader())

    def frames(self) -> Sink:
        """Return a sink for log frames."""
        return self._sink(FrameReader())

    def _sink(self, reader: LineReader | FrameReader) -> Sink:
        def take(data: bytes) -> None:
            for record in reader.feed(data) if data else reader.rest():
                self._take(record)

        return take

    def _take(self, record: LogRecord) -> None:
        self._kept.append(record.text)
        shaped = function_record(record.text, objects=self._objects)
        self._emit(self._type, shaped, time_us=record.time_us)
