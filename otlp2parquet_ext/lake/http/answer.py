"""Parse one HTTP/1.1 response from bytes.

The caller passes `receive`, which returns the next bytes of the connection (b"" at its end) and
keeps the deadline. This module bounds the head, the body (limits.py) and the overhead of chunks,
independent of the lengths that the server announces.

Source: RFC 9112 (HTTP/1.1), sections 2.2, 4, 5, 6 and 7.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.limits import ERROR_BYTES, AnswerLimit
from otlp2parquet_ext.lake.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES = 65_536
"""Most bytes of the status line and headers, those of interim responses included."""

CHUNK_LINE_BYTES = 32
"""Bytes of a chunk's size line that are free; the rest of a longer line counts against
`HEAD_BYTES`."""

FREE_CHUNKS = 4_096
CHUNK_BYTES = 128
"""Least average size of the chunks beyond the free ones. A response of smaller chunks is refused: a
megabyte of one-byte chunks took two seconds of CPU."""

QUOTED = 80
"""Most characters of malformed bytes that a message quotes."""

LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class MalformedError(Exception):
    """The bytes are not HTTP/1.1, end early, or exceed a limit."""


class BodyTooLongError(MalformedError):
    """The body exceeds its limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"its body is longer than the limit of {limit_bytes} bytes")


class Exchanged(NamedTuple):
    """A response, and whether its connection can be used for another request."""

    response: Response
    reusable: bool


class _Source:
    """Reads lines and blocks from a connection; `body` holds the body read so far."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._left = bytearray()
        self._head_bytes = HEAD_BYTES
        self._limit_bytes = ERROR_BYTES
        self._size_bytes = 0
        self._needed = False
        self.body = io.BytesIO()  # `getvalue` does not copy the bytes

    def limit(self, size_bytes: int, *, needed: bool) -> None:
        """Set the longest body. If it is needed and announced as longer, none of it is read."""
        self._limit_bytes, self._needed = size_bytes, needed

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise MalformedError("the connection ended before the answer did")
        self._left += data

    def line(self, free_bytes: int = 0) -> bytes:
        """Return the next line without its end; bytes after `free_bytes` count against the head."""
        start = 0
        while (end := self._left.find(b"\n", start)) < 0:
            start = len(self._left)
            if start > self._head_bytes + free_bytes:
                break
            self._more()
        self._head_bytes -= max(0, end + 1 - free_bytes)
        if end < 0 or self._head_bytes < 0:
            raise MalformedError(f"its head is longer than {HEAD_BYTES} bytes")
        line = bytes(self._left[:end]).removesuffix(b"\r")
        del self._left[: end + 1]
        return line

    def block(self, length: int) -> None:
        """Read `length` bytes of the body, or fail after the bytes that the limit allows."""
        room_bytes = self._limit_bytes - self._size_bytes
        if length > room_bytes and self._needed:
            raise BodyTooLongError(self._limit_bytes)
        wanted = min(length, room_bytes)
        while wanted:
            if not self._left:
                self._more()
            wanted -= self._take(wanted)
        if length > room_bytes:
            raise BodyTooLongError(self._limit_bytes)

    def rest(self) -> None:
        """Read everything until the connection ends."""
        while True:
            self._take(self._limit_bytes - self._size_bytes)
            if self._left:
                raise BodyTooLongError(self._limit_bytes)
            data = self._receive()
            if not data:
                return
            self._left += data

    def _take(self, most: int) -> int:
        """Move at most `most` received bytes into the body; return how many."""
        size_bytes = min(most, len(self._left))
        with memoryview(self._left) as left, left[:size_bytes] as piece:
            self.body.write(piece)
        del self._left[:size_bytes]
        self._size_bytes += size_bytes
        return size_bytes

    def empty(self) -> bool:
        """Return whether no bytes follow the response."""
        return not self._left


def read(
    receive: Callable[[], bytes],
    method: str,
    limit: AnswerLimit,
    decided: Callable[[], None] = lambda: None,
) -> Exchanged:
    """Read one response to a request of `method`; interim responses (1xx) are skipped.

    Args:
        receive: see the module's header; its exceptions pass through.
        method: the request's method; a response to HEAD has no body, even with a Content-Length.
        limit: longest body of a successful response; other bodies are cut at `ERROR_BYTES`.
        decided: called before the body is read, when the caller needs only the status. An error
            of `receive` after that only ends the body.

    Raises:
        MalformedError: see the class.
        BodyTooLongError: a needed body exceeds its limit.
    """
    source = _Source(receive)
    status, version, headers = _head(source)
    while 100 <= status < 200:
        status, version, headers = _head(source)
    needed = limit.needed and 200 <= status < 300
    source.limit(limit.size_bytes if 200 <= status < 300 else ERROR_BYTES, needed=needed)
    cut, framed = "", False
    if not needed:
        decided()
    try:
        framed = _body(source, method, status, headers)
    except (OSError, MalformedError) as error:
        if needed:
            raise
        cut = quote(error) or type(error).__name__
    response = Response(status, headers, source.body.getvalue(), cut)
    keep = headers.get("connection", "").lower() != "close" and version == b"HTTP/1.1"
    return Exchanged(response, keep and framed and not cut and source.empty())


def _head(source: _Source) -> tuple[int, bytes, dict[str, str]]:
    first = source.line()
    version, _, rest = first.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not (len(code) == 3 and code.isdigit()):
        raise MalformedError(f"it begins with {quote(first, QUOTED)!r}, which is not HTTP/1.1")
    headers: dict[str, str] = {}
    while line := source.line():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or name != name.strip():
            raise MalformedError(f"{quote(line, QUOTED)!r} is not a header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(code), version, headers


def _body(source: _Source, method: str, status: int, headers: dict[str, str]) -> bool:
    """Read the body; return whether its end is known without the end of the connection."""
    if method == "HEAD" or status in (204, 304):
        return True
    if (coding := headers.get("transfer-encoding", "").lower()) not in ("", "chunked"):
        raise MalformedError(f"its transfer encoding {quote(coding, QUOTED)!r} was not asked for")
    if coding:
        _chunks(source)
        return True
    if (length := headers.get("content-length")) is not None:
        if not LENGTH.fullmatch(length):
            raise MalformedError(f"its Content-Length is {quote(length, QUOTED)!r}")
        source.block(int(length))
        return True
    source.rest()
    return False


def _chunks(source: _Source) -> None:
    chunks = size_bytes = 0
    while True:
        size = source.line(CHUNK_LINE_BYTES).partition(b";")[0].strip()
        if not CHUNK_SIZE.fullmatch(size):
            raise MalformedError(f"{quote(size, QUOTED)!r} is not a chunk's length")
        length = int(size, 16)
        if length == 0:
            break
        chunks, size_bytes = chunks + 1, size_bytes + length
        if chunks > FREE_CHUNKS + size_bytes // CHUNK_BYTES:
            raise MalformedError(f"it comes in too many chunks: {chunks} for {size_bytes} bytes")
        source.block(length)
        if source.line(CHUNK_LINE_BYTES):
            raise MalformedError("a chunk is longer than it said")
    while source.line():  # trailers are ignored
        pass
