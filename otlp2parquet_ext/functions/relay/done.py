"""The list of segments whose rows are durable. Pure.

    names --by hour--> 8-byte digests, sorted --> bytes

An environment that got no response puts its segment again, even after a committer has mapped and
deleted the first one. So committers keep the names for `KEPT_MS`, in one object for each hour.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.lake.destinations.raw_segment import SegmentName

DIGEST_BYTES = 8
KEPT_MS = 48 * 3_600_000
"""Time to keep names; the life of an execution environment is shorter."""

HOUR_US = 3_600_000_000
MOST_BYTES = 64 * 1_048_576
"""Longest list, in bytes: eight million segments in an hour."""


def hour_of(name: SegmentName) -> int:
    """Return the hour since 1970 of the list that holds a segment."""
    return name.first_us // HOUR_US


def digest(name: SegmentName) -> bytes:
    """Return a segment's entry in the list."""
    text = f"{name.instance}-{name.batch}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


def encode(digests: Iterable[bytes]) -> bytes:
    """Return a list of digests as bytes; equal sets give equal bytes."""
    return zlib.compress(b"".join(sorted(set(digests))), 1)


def decode(data: bytes) -> set[bytes]:
    """Parse a list.

    Raises:
        ValueError: the bytes are no such list.
    """
    try:
        plain = zlib.decompressobj().decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a list of mapped segments cannot be read: {quote(error)}") from error
    if len(plain) % DIGEST_BYTES:
        raise ValueError(f"a list of mapped segments has {len(plain)} bytes, no multiple of 8")
    return {plain[at : at + DIGEST_BYTES] for at in range(0, len(plain), DIGEST_BYTES)}
