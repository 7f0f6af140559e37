"""A parser of one HTTP/1.1 request that takes bytes as they arrive; it does no I/O.

    bytes --feed()--> head once it is whole, pieces of the body --> complete

The result does not depend on how the bytes are split. The parser refuses a request that two parsers
could read differently: a line end other than CR LF, a folded header, a repeated length, a length
beside chunks. The server closes the connection after a refusal, so bytes behind the refused request
are never read as another request.

Source: RFC 9112, "HTTP/1.1", sections 2.2, 3, 5, 6 and 7.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.extension.receive.chunk_limits import too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD_BYTES = 8_192
FIELDS = 64
CHUNK_LINE_BYTES = 256
LENGTH_DIGITS = 15

_END = b"\r\n"
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX = b"0123456789ABCDEFabcdef"
_CONTROL = bytes(code for code in range(32) if code not in b"\t\r\n") + b"\x7f"
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    411: b"Length Required",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = "Connection: close\r\n"


def answer_of(status: int, headers: Mapping[str, str], body: bytes, *, closes: bool) -> bytes:
    """Write an answer.

    Args:
        status: one of `_REASONS`.
        headers: besides the length.
        body: whole.
        closes: it is the last answer of its connection.
    """
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    about = f"{fields}Content-Length: {len(body)}\r\n{_CLOSE if closes else ''}\r\n"
    return b"HTTP/1.1 %d %b\r\n%b%b" % (status, _REASONS[status], about.encode(), body)


ANSWERS = {
    status: answer_of(status, {"Allow": "POST"} if status == 405 else {}, b"", closes=True)
    for status in _REASONS
}
"""Complete answers by status; none has a body, and each one closes its connection."""


class BadRequestError(Exception):
    """The bytes are no valid request, or an ambiguous one."""


class Head(NamedTuple):
    """The parts of a request's head that the server uses.

    Attributes:
        method: as sent.
        path: without scheme and host, which a request to a proxy has, and without the query.
        length: the Content-Length; None in chunks, or without that header.
        chunked: the body comes in chunks.
        expects: the client waits for `CONTINUE` before it sends the body.
        closes: the client sends no other request on this connection, or may not.
        content_type, content_encoding: as sent; several of one name with commas between.
    """

    method: bytes
    path: bytes
    length: int | None
    chunked: bool
    expects: bool
    closes: bool = False
    content_type: str = ""
    content_encoding: str = ""


class RequestReader:
    """Reads one request.

    Attributes:
        head: None until it is whole.
        complete: the whole request was read.
        rest: bytes that came after the request.
    """

    __slots__ = (
        "_buffer",
        "_chunk_count",
        "_chunked_bytes",
        "_left",
        "_line",
        "_trailer_bytes",
        "complete",
        "head",
        "rest",
    )

    def __init__(self) -> None:
        self.head: Head | None = None
        self.complete = False
        self.rest = b""
        self._buffer = b""
        self._left = 0
        self._line: Callable[[RequestReader, bytes], None] = RequestReader._size_line
        self._trailer_bytes = self._chunk_count = self._chunked_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return those of the body among them.

        Raises:
            BadRequestError: the request is refused; do not feed this reader again.
        """
        if self.head is None:
            data = self._buffer + data if self._buffer else data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = _unended(data, HEAD_BYTES)
                return b""
            self._buffer = b""
            self.head = _head(data[:end])
            self._left = self.head.length or 0
            data = data[end + 4 :]
            self.complete = not self._left and not self.head.chunked
        return self._chunks(data) if self.head.chunked else self._plain(data)

    def _plain(self, data: bytes) -> bytes:
        if len(data) > self._left:
            self.rest += data[self._left :]
            data = data[: self._left]
        self._left -= len(data)
        self.complete = not self._left
        return data

    def _chunks(self, data: bytes) -> bytes:
        """Take bytes of a chunked body: `_left` bytes of a chunk, or a line if `_left` is 0."""
        data, self._buffer = self._buffer + data, b""
        pieces, at = [], 0
        while at < len(data) and not self.complete:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            end = data.find(_END, at)
            if end < 0:
                self._buffer = _unended(data[at:], CHUNK_LINE_BYTES)
                return b"".join(pieces)
            self._line(self, _checked(data[at:end], CHUNK_LINE_BYTES))
            at = end + 2
        self.rest += data[at:]
        return b"".join(pieces)

    def _size_line(self, line: bytes) -> None:
        digits = line.partition(b";")[0]
        if not 0 < len(digits) <= LENGTH_DIGITS or digits.translate(None, _HEX):
            raise BadRequestError("no chunk size")
        self._left = int(digits, 16)
        self._chunk_count += 1
        self._chunked_bytes += self._left
        if too_many(self._chunk_count, self._chunked_bytes):
            raise BadRequestError("too many chunks")
        self._line = RequestReader._chunk_end if self._left else RequestReader._trailer_line

    def _chunk_end(self, line: bytes) -> None:
        if line:
            raise BadRequestError("a chunk is longer than it said")
        self._line = RequestReader._size_line

    def _trailer_line(self, line: bytes) -> None:
        """Skip a trailer field; trailers are not used."""
        self._trailer_bytes += len(line) + 2
        if self._trailer_bytes > HEAD_BYTES:
            raise BadRequestError("too much behind the last chunk")
        if line:
            _field(line)
        self.complete = not line


def _unended(data: bytes, most: int) -> bytes:
    """Return an incomplete line for the next call; refuse one that is already too long."""
    if len(data) > most + 3:  # 3 bytes may be a part of the line ends
        raise BadRequestError("it is too long")
    _checked(data.removesuffix(b"\r"), most + 3)
    return data


def _checked(text: bytes, most: int) -> bytes:
    """Return the lines if their ends, length and characters are valid."""
    if len(text) > most:
        raise BadRequestError("it is too long")
    if len(text.translate(None, _CONTROL)) != len(text):
        raise BadRequestError("a control character")
    ends = text.count(_END)
    if text.count(b"\n") != ends or text.count(b"\r") != ends:
        raise BadRequestError("a line that does not end in CR LF")
    return text


def _head(text: bytes) -> Head:
    first, *lines = _checked(text, HEAD_BYTES).split(_END)
    if len(lines) > FIELDS:
        raise BadRequestError("too many headers")
    method, target, minor = _request_line(first)
    lengths, codings, expects, closes = [], [], False, minor == b"0"
    types, encodings = [], []
    for line in lines:
        name, value = _field(line)
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"expect":
            expects = minor != b"0" and value.lower() == b"100-continue"
        elif name == b"connection":
            closes = closes or b"close" in value.lower()
        elif name == b"content-type":
            types.append(value)
        elif name == b"content-encoding":
            encodings.append(value)
    if codings and (lengths or codings != [b"chunked"] or minor == b"0"):
        raise BadRequestError("a transfer encoding that is not just chunks")
    return Head(
        method,
        path_of(target),
        _length(lengths),
        bool(codings),
        expects,
        closes,
        b", ".join(types).decode("latin-1"),
        b", ".join(encodings).decode("latin-1"),
    )


def _request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return method, target and minor version."""
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[1] or not parts[0] or parts[0].translate(None, _TOKEN):
        raise BadRequestError("no request line")
    version, minor = parts[2][:-1], parts[2][-1:]
    if version != b"HTTP/1." or not minor.isdigit() or b"\t" in line:
        raise BadRequestError("another protocol")
    return parts[0], parts[1], minor


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Return the name in lower case and the value of a header."""
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, _TOKEN):
        raise BadRequestError("no header")
    return name.lower(), value.strip(b" \t")


def _length(lengths: list[bytes]) -> int | None:
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > LENGTH_DIGITS:
        raise BadRequestError("no length, or more than one")
    return int(lengths[0])


def path_of(target: bytes) -> bytes:
    """Return the path of a request's target, which may be an absolute URL as for a proxy."""
    target = target.partition(b"?")[0]
    return target[target.find(b"/", 7) :] if target.startswith(b"http://") else target
