"""Cuts a function's output into log records: plain lines, or the runtimes' log frames.

    stdout, stderr ── LineReader ──▶ one record per line
    _LAMBDA_TELEMETRY_LOG_FD ── FrameReader ──▶ one record per logging call, with newlines

Readers take bytes as they arrive and return complete records; `rest` is for the end of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

_MAGIC = 0xA55A
_HEADER_BYTES = 16
# Longer lines are cut, so that a function that never ends its line cannot fill our memory.
LINE_LIMIT_BYTES = 262_144


@dataclass(frozen=True)
class LogRecord:
    """One record.

    Attributes:
        text: a line without its newline, or framed text as the runtime sent it.
        time_us: Unix microseconds from the frame; None for plain lines.
    """

    text: str
    time_us: int | None = None


class LineReader:
    """Cuts a stream at newlines, and lines at `LINE_LIMIT_BYTES`."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[LogRecord]:
        """Take the next bytes; return completed lines, without empty ones."""
        self._pending += data
        *lines, last = bytes(self._pending).split(b"\n")
        while len(last) > LINE_LIMIT_BYTES:
            lines.append(last[:LINE_LIMIT_BYTES])
            last = last[LINE_LIMIT_BYTES:]
        self._pending = bytearray(last)
        return [_line(line) for line in lines if line.strip()]

    def rest(self) -> list[LogRecord]:
        """Return the text after the last newline."""
        last, self._pending = bytes(self._pending), bytearray()
        return [_line(last)] if last.strip() else []


class FrameReader:
    """Cuts a stream of frames: type, length, microseconds, message; all big-endian.

    The type's upper half is 0xa55a; its lower bits hold format and level, which the message
    repeats. Bytes that are no frame are read as lines, so a wrong type loses no log.

    Source: awslambdaric, `FramedTelemetryLogSink`.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._lines: LineReader | None = None

    def feed(self, data: bytes) -> list[LogRecord]:
        """Take the next bytes; return the records they complete."""
        if self._lines:
            return self._lines.feed(data)
        self._pending += data
        records: list[LogRecord] = []
        while len(self._pending) >= _HEADER_BYTES:
            if int.from_bytes(self._pending[:2], "big") != _MAGIC:
                self._lines = LineReader()
                return records + self._lines.feed(bytes(self._pending))
            end = _HEADER_BYTES + int.from_bytes(self._pending[4:8], "big")
            if len(self._pending) < end:
                break
            records.append(_frame(bytes(self._pending[:end])))
            del self._pending[:end]
        return records

    def rest(self) -> list[LogRecord]:
        """Return the part of an incomplete message."""
        if self._lines:
            return self._lines.rest()
        partial, self._pending = bytes(self._pending), bytearray()
        return [_frame(partial)] if len(partial) > _HEADER_BYTES else []


def _line(line: bytes) -> LogRecord:
    return LogRecord(line.removesuffix(b"\r").decode(errors="replace"))


def _frame(frame: bytes) -> LogRecord:
    return LogRecord(
        text=frame[_HEADER_BYTES:].decode(errors="replace"),
        time_us=int.from_bytes(frame[8:16], "big"),
    )
