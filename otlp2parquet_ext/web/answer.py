"""Bytes in, one response out: HTTP/1.1 as clients see it.

The caller brings `receive`, which returns the next bytes of the connection, b"" at its end, and
keeps the deadline. Sizes are bounded here, whatever the server promises.

Source: RFC 9112 (HTTP/1.1), sections 2.2, 4, 5, 6 and 7.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.say import quote
from otlp2parquet_ext.web import Response

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES = 65_536
"""The most that a status line and headers may take."""

QUOTED = 80
"""Characters of what is malformed, in a message."""

LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class MalformedError(Exception):
    """What came is not HTTP/1.1, ends in the middle, or is longer than we take."""


class Answered(NamedTuple):
    """A response, and whether its connection can carry another request."""

    response: Response
    reusable: bool


class _Source:
    """Lines and blocks of what a connection brings."""

    def __init__(self, receive: Callable[[], bytes], body_bytes: int) -> None:
        self._receive = receive
        self._left = bytearray()
        self._head_bytes = HEAD_BYTES
        self._body_bytes = body_bytes

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise MalformedError("the connection ended before the answer did")
        self._left += data

    def line(self) -> bytes:
        """Return the next line without its end; lines count against the head's bound."""
        while (end := self._left.find(b"\n")) < 0:
            if len(self._left) > self._head_bytes:
                break
            self._more()
        self._head_bytes -= end + 1
        if end < 0 or self._head_bytes < 0:
            raise MalformedError(f"its head is longer than {HEAD_BYTES} bytes")
        line = bytes(self._left[:end]).removesuffix(b"\r")
        del self._left[: end + 1]
        return line

    def block(self, length: int) -> bytes:
        """Return exactly `length` bytes of the body."""
        self._body_bytes -= length
        if self._body_bytes < 0:
            raise MalformedError("it is longer than we take")
        self._head_bytes = HEAD_BYTES  # lines between chunks are few again
        while len(self._left) < length:
            self._more()
        with memoryview(self._left) as left:
            block = bytes(left[:length])
        del self._left[:length]
        return block

    def rest(self) -> bytes:
        """Return everything until the connection ends."""
        while data := self._receive():
            self._left += data
            if len(self._left) > self._body_bytes:
                raise MalformedError("it is longer than we take")
        return self.block(len(self._left))

    def empty(self) -> bool:
        """Say whether nothing came after the answer."""
        return not self._left


def read(receive: Callable[[], bytes], method: str, body_bytes: int) -> Answered:
    """Read one response to a request of `method`; interim responses (1xx) are passed over.

    Args:
        receive: see the module's header; what it raises passes through.
        method: HEAD has no body, whatever the headers say.
        body_bytes: the longest body to take.

    Raises:
        MalformedError: see there.
    """
    source = _Source(receive, body_bytes)
    status, version, headers = _head(source)
    while 100 <= status < 200:
        status, version, headers = _head(source)
    body, framed = _body(source, method, status, headers)
    keep = headers.get("connection", "").lower() != "close" and version == b"HTTP/1.1"
    return Answered(Response(status, headers, body), keep and framed and source.empty())


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


def _body(source: _Source, method: str, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
    """Return the body, and whether its end was told by anything but the connection's end."""
    if method == "HEAD" or status in (204, 304):
        return b"", True
    if (coding := headers.get("transfer-encoding", "").lower()) not in ("", "chunked"):
        raise MalformedError(f"its transfer encoding {quote(coding, QUOTED)!r} was not asked for")
    if coding:
        return _chunks(source), True
    if (length := headers.get("content-length")) is not None:
        if not LENGTH.fullmatch(length):
            raise MalformedError(f"its Content-Length is {quote(length, QUOTED)!r}")
        return source.block(int(length)), True
    return source.rest(), False


def _chunks(source: _Source) -> bytes:
    chunks = []
    while True:
        size = source.line().partition(b";")[0].strip()
        if not CHUNK_SIZE.fullmatch(size):
            raise MalformedError(f"{quote(size, QUOTED)!r} is not a chunk's length")
        length = int(size, 16)
        if length == 0:
            break
        chunks.append(source.block(length))
        if source.line():
            raise MalformedError("a chunk is longer than it said")
    while source.line():  # trailers tell us nothing
        pass
    return b"".join(chunks)
