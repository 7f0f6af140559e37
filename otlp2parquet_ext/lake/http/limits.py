"""Limits of answers, by purpose: how many bytes of a body are read, and whether it is needed.

    an error, or an answer that only acknowledges    64 KB; the status decides, the rest is cut
    a document: catalog, credentials, secret         1 MB; a longer one is refused
    a listing of a bucket                            4 MB; likewise
    an object, a table's metadata                    what the memory of this environment allows

A body that is *needed* and too long is no answer. A body that is not needed is cut: its
connection is closed instead of drained, and `Response.cut` says what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_BYTES = 65_536
"""Bytes that are read of an error, and of an answer that only acknowledges."""

DOCUMENT_BYTES = 1_048_576
"""Bytes of a catalog's, a token endpoint's, or a secret store's answer."""

LISTING_BYTES = 4_194_304
"""Bytes of a listing: S3 lists a thousand keys of at most 1 024 bytes, percent-encoded."""

OBJECT_BYTES = 268_435_456
"""Bytes of an object where memory sets no lower limit."""

MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
MEMORY_SHARE = 8
"""One answer may take this part of the function's memory: its decoded form takes as much again,
or several times as much, and the function needs the rest."""


VALUE_BYTES = 64
"""Bytes of a decoded value, an empty list for example."""

GZIP_MAGIC = b"\x1f\x8b"
PIECE_BYTES = 65_536
"""Bytes that a gzip file is decompressed to at a time, to see how long it is."""

DECODED_TIMES = 2
"""A decoded document may take so many times the bytes of the longest answer."""


class AnswerLimit(NamedTuple):
    """How much of a successful answer is read.

    Attributes:
        size_bytes: the longest body.
        needed: the answer is useless without its whole body; else the status alone decides.
        decoded: it is JSON without a schema, which may take forty times its bytes once decoded.
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
    """Return the limit of a request that names none: what is asked for with GET is needed."""
    return DOCUMENT if method == "GET" else ACKNOWLEDGED


def decoded_bytes(body: bytes) -> int:
    """Return about how many bytes a JSON document takes once it is decoded, before it is."""
    return len(body) + VALUE_BYTES * sum(map(body.count, (b"[", b"{", b",")))


def decodes_beyond(body: bytes, most_bytes: int) -> bool:
    """Tell whether a JSON document, plain or gzip, takes more bytes once it is decoded.

    Of a gzip file no more than a piece is decompressed at a time, and nothing beyond the limit: a
    kilobyte of it may stand for a megabyte.
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
                return False  # it cannot be decoded at all
            left = member.unconsumed_tail or member.unused_data
            taken_bytes += decoded_bytes(piece)
            if taken_bytes > most_bytes:
                return True
            if not piece and not left:
                return False
    return False


def memory_limit_bytes(environ: Mapping[str, str]) -> int:
    """Return the longest answer that the memory of this function allows."""
    memory_mb = environ.get(MEMORY_VARIABLE, "")
    if not (memory_mb.isascii() and memory_mb.isdigit() and int(memory_mb)):
        return OBJECT_BYTES
    return min(OBJECT_BYTES, int(memory_mb) * 1_048_576 // MEMORY_SHARE)
