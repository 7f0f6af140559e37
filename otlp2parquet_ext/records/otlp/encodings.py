"""Content encodings of OTLP/HTTP requests: inflates bodies up to a limit.

    wire bytes --inflate(limit)--> body, or EncodingError (400), or OverLimitError (413)

A few bytes can inflate to gigabytes, so inflating stops at the limit, even if the real length stays
unknown. `deflate` is zlib's format (RFC 9110) or, from some clients, the bare stream.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GZIP = 16 + zlib.MAX_WBITS
BARE = -zlib.MAX_WBITS
MOST_MEMBERS = 100
"""Most streams in one gzip body. Each stream copies the rest of the body, so thousands would take
minutes."""


class EncodingError(Exception):
    """The body does not match its Content-Encoding; the message is for the client."""


class OverLimitError(Exception):
    """The inflated body would exceed its limit; its length is not determined."""


def inflate(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Return the body without its encoding.

    Args:
        body: as received; an empty body is valid in every encoding.
        encoding: one of `ENCODINGS`.
        limit_bytes: most bytes of the result.

    Raises:
        EncodingError: it is damaged, cut off, or has another encoding.
        OverLimitError: the result is longer than `limit_bytes`.
    """
    decoded = ENCODINGS[encoding](body, limit_bytes) if body else body
    if len(decoded) > limit_bytes:
        raise OverLimitError
    return decoded


def _identity(body: bytes, _limit_bytes: int) -> bytes:
    return body


def _gzip(body: bytes, limit_bytes: int) -> bytes:
    """Inflate one stream or several consecutive ones, as RFC 1952 allows."""
    decoded, rest = _stream("gzip", body, limit_bytes, GZIP)
    parts = [decoded]
    left = limit_bytes - len(decoded)
    for _ in range(MOST_MEMBERS - 1):
        if not rest or left < 0:
            break
        decoded, rest = _stream("gzip", rest, left, GZIP)
        parts.append(decoded)
        left -= len(decoded)
    if left >= 0:
        _refuse_rest("gzip", rest)
    return b"".join(parts)


def _deflate(body: bytes, limit_bytes: int) -> bytes:
    # A zlib header is a multiple of 31 that names method 8; a bare stream almost never begins like
    # that.
    has_header = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    wbits = zlib.MAX_WBITS if has_header else BARE
    decoded, rest = _stream("deflate", body, limit_bytes, wbits)
    if len(decoded) <= limit_bytes:
        _refuse_rest("deflate", rest)
    return decoded


def _stream(name: str, body: bytes, limit_bytes: int, wbits: int) -> tuple[bytes, bytes]:
    """Inflate one stream up to just beyond the limit; also return the bytes that follow it."""
    inflating = zlib.decompressobj(wbits)
    try:
        decoded = inflating.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise EncodingError(f"Content-Encoding {name}: {error}") from None
    if len(decoded) > limit_bytes:
        return decoded, b""
    if not inflating.eof:
        raise EncodingError(f"Content-Encoding {name}: the body ends early")
    return decoded, inflating.unused_data


def _refuse_rest(name: str, rest: bytes) -> None:
    if rest:
        raise EncodingError(
            f"Content-Encoding {name}: {len(rest)} bytes follow the end of the stream"
        )


def _zstd(body: bytes, limit_bytes: int) -> bytes:
    # The interpreter has zstd only since 3.14; pyarrow has it in all versions.
    import pyarrow as pa  # noqa: PLC0415 - no SDK sends zstd unless told to

    try:
        with pa.input_stream(pa.py_buffer(body), compression="zstd") as stream:
            return bytes(stream.read(limit_bytes + 1))
    except OSError as error:
        raise EncodingError(f"Content-Encoding zstd: {error}") from None


ENCODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": _identity,
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
