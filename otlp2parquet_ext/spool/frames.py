"""Frames: the format of a body in a segment, and the reader that finds frames after a crash.

    | "O2P1" | kind 1 | check 3 | length 4 | received_us 8 | digest 16 | payload |   little endian

The digest is MurmurHash3-128 of the payload: it shows that a frame is complete, and identifies a
redelivered body. The check is the CRC-32, without its top byte, of kind, length and received_us,
because a wrong header could hide the rest of the segment. When the reader meets invalid bytes, it
searches for the next frame and counts the bytes in between. So one torn or overwritten frame never
loses the frames behind it.
"""

from __future__ import annotations

import enum
import struct
import zlib

# The C module that `hashlib` uses, too. `hashlib` also loads OpenSSL: 3 MB that we do not need.
from typing import TYPE_CHECKING

from msgspec import Struct

from otlp2parquet_ext.records.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"O2P1"
HEADER = struct.Struct("<4sB3sIQ16s")
CHECKED = struct.Struct("<BIQ")

SEARCHED = 16
"""Most bytes that are hashed in search of frames behind damage, as a multiple of the segment's
length. Bytes that look like nested frames could take hours otherwise. The rest of the segment then
counts as damage."""

LOOK_BYTES = 512
"""Cost of one check of a possible header, in bytes that could be hashed in that time."""

SEARCHED_BYTES = 1_048_576
"""Bytes that may be hashed in any case, however short the segment is."""


class FrameKind(enum.IntEnum):
    """The kind of a frame's payload; the spool does not interpret it."""

    CONTEXT = 1
    INVOKE = 2
    DELIVERY = 3
    LOSSES = 4
    OTLP_LOGS = 5
    OTLP_TRACES = 6
    OTLP_METRICS = 7
    ENDING = 8


OTLP = {
    FrameKind.OTLP_LOGS: "logs",
    FrameKind.OTLP_TRACES: "traces",
    FrameKind.OTLP_METRICS: "metrics",
}
"""Kinds of accepted OTLP requests, with their signals."""

BODIES = frozenset({FrameKind.DELIVERY, FrameKind.ENDING, *OTLP})
"""Kinds of frames that make a segment worth keeping; the others only explain these."""

KINDS = frozenset(kind.value for kind in FrameKind)


class Frame(Struct, frozen=True):
    """One frame read back; `received_us` is Unix microseconds."""

    kind: FrameKind
    received_us: int
    digest: bytes
    payload: bytes


class Damage(Struct, frozen=True):
    """Bytes between two frames, or behind the last one, that are no frame."""

    size_bytes: int


def encode_header(kind: FrameKind, received_us: int, payload: bytes, digest: bytes) -> bytes:
    """Return the header of a frame; `payload` follows it."""
    check = _check(kind, len(payload), received_us)
    return HEADER.pack(MAGIC, kind, check, len(payload), received_us, digest)


def _check(kind: int, length: int, received_us: int) -> bytes:
    return zlib.crc32(CHECKED.pack(kind, length, received_us)).to_bytes(4, "little")[:3]


def read_frames(data: bytes) -> Iterator[Frame | Damage]:
    """Yield the complete frames of a segment in order, and the damage between them.

    Args:
        data: a segment as it lies on disk; its last frame may be torn.
    """
    position = damaged_from = 0
    hashed, most = 0, SEARCHED * len(data) + SEARCHED_BYTES
    while 0 <= position < len(data) and hashed <= most:
        header = _header_at(data, position)
        if header is not None:
            kind, length, received_us, digest = header
            start = position + HEADER.size
            payload = data[start : start + length]
            if digest_of(payload) == digest:
                if damaged_from < position:
                    yield Damage(position - damaged_from)
                yield Frame(kind, received_us, digest, payload)
                position = damaged_from = start + length
                continue
            hashed += length
        hashed += LOOK_BYTES
        position = data.find(MAGIC, position + 1)
    if damaged_from < len(data):
        yield Damage(len(data) - damaged_from)


def _header_at(data: bytes, position: int) -> tuple[FrameKind, int, int, bytes] | None:
    """Return the fields of a frame's header; None if it is invalid or its payload is cut off."""
    if len(data) - position < HEADER.size:
        return None
    magic, kind, check, length, received_us, digest = HEADER.unpack_from(data, position)
    if magic != MAGIC or kind not in KINDS or check != _check(kind, length, received_us):
        return None
    if len(data) - position - HEADER.size < length:
        return None
    return FrameKind(kind), length, received_us, digest
