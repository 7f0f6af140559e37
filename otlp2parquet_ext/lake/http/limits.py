"""Limits of responses by purpose: the longest body, and whether the caller needs all of it.

    an error, or a mere acknowledgement              64 KB; the status decides, the rest is cut
    a document: catalog, credentials, secret         1 MB; a longer one is refused
    a listing of a bucket                            4 MB; likewise
    an object, a table's metadata                    as the memory of this environment allows

If a *needed* body is too long, the request fails. A body that is not needed is cut: its connection
is closed instead of drained, and `Response.cut` states the missing part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_BYTES = 65_536
"""Longest body of an error, and of a mere acknowledgement."""

DOCUMENT_BYTES = 1_048_576
"""Longest body from a catalog, a token endpoint, or a secret store."""

LISTING_BYTES = 4_194_304
"""Longest page of a listing: S3 lists a thousand keys of at most 1 024 bytes, percent-encoded."""

OBJECT_BYTES = 268_435_456
"""Longest object, if the memory does not allow less."""

MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
MEMORY_SHARE = 8
"""The longest body is the function's memory divided by this number. The decoded body takes as much
memory again, or several times as much, and the function needs the rest."""


VALUE_BYTES = 64
"""Memory of one decoded value, for example an empty list."""

GZIP_MAGIC = b"\x1f\x8b"
PIECE_BYTES = 65_536
"""Bytes of one step when a gzip file is decompressed to measure it."""

DECODED_TIMES = 2
"""Most memory of a decoded document, as a multiple of the longest body."""


class AnswerLimit(NamedTuple):
    """The limit of a successful response.

    Attributes:
        size_bytes: longest body.
        needed: the caller needs the whole body; otherwise the status is enough.
        decoded: the body is JSON without a schema, and may take forty times its bytes when decoded.
    """

    size_bytes: int
    needed: bool
    decoded: bool = False


ACKNOWLEDGED = AnswerLimit(ERROR_BYTES, needed=False)
DOCUMENT = AnswerLimit(DOCUMENT_BYTES, needed=True)
LISTING = AnswerLimit(LISTING_BYTES, needed=True)
OBJECT = AnswerLimit(OBJECT_BYTES, needed=True)
METADATA = AnswerLimit(OBJECT_BYTES, needed=True, decoded=True)


def usual_limit(method: str) -> AnswerLimit:
    """Return the default limit of a request; only a response to GET is needed whole."""
    return DOCUMENT if method == "GET" else ACKNOWLEDGED


def decoded_bytes(body: bytes) -> int:
    """Estimate the memory of a JSON document when decoded, without decoding it."""
    return len(body) + VALUE_BYTES * sum(map(body.count, (b"[", b"{", b",")))


def decodes_beyond(body: bytes, most_bytes: int) -> bool:
    """Return whether a JSON document, plain or gzip, takes more than `most_bytes` when decoded.

    A gzip file is decompressed piece by piece, and only up to the limit: a kilobyte of gzip may
    hold a megabyte.
    """
    if not body.startswith(GZIP_MAGIC):
        return decoded_bytes(body) > most_bytes
    import zlib  # noqa: PLC0415 - only some tables have compressed metadata

    taken_bytes, left = 0, body
    while left.startswith(GZIP_MAGIC):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(left, PIECE_BYTES)
            except zlib.error:
                return False  # the caller's own decoding fails and reports it
            left = member.unconsumed_tail or member.unused_data
            taken_bytes += decoded_bytes(piece)
            if taken_bytes > most_bytes:
                return True
            if not piece and not left:
                return False
    return False


def memory_limit_bytes(environ: Mapping[str, str]) -> int:
    """Return the longest body that the memory of this function allows."""
    memory_mb = environ.get(MEMORY_VARIABLE, "")
    if not (memory_mb.isascii() and memory_mb.isdigit() and int(memory_mb)):
        return OBJECT_BYTES
    return min(OBJECT_BYTES, int(memory_mb) * 1_048_576 // MEMORY_SHARE)
