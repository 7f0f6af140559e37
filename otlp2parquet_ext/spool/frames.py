"""Frames: how a body lies in a segment, and how the frames a crash left are read.

    | "O2P1" | kind 1 | check 3 | length 4 | received_us 8 | digest 16 | payload |   little endian

The digest is MurmurHash3-128 of the payload: it proves a frame whole, and tells a redelivered body.
The check is the CRC-32, its top byte left out, of kind, length and received_us: a body taken for
something else would cost its whole segment. A reader that meets anything else looks for the next
frame and counts the bytes in between, so one torn or overwritten frame never costs the ones behind
it.
"""

from __future__ import annotations

import enum
import struct
import zlib

# What `hashlib` has it from. That module loads OpenSSL besides: 3 MB that nothing here needs.
from typing import TYPE_CHECKING

from msgspec import Struct

from otlp2parquet_ext.records.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"O2P1"
HEADER = struct.Struct("<4sB3sIQ16s")
CHECKED = struct.Struct("<BIQ")

SEARCHED = 16
"""As many times its own length of a segment is hashed, at most, in search of frames behind damage:
bytes made to look like frames in each other would take hours. What is left then is damage."""

LOOK_BYTES = 512
"""Bytes that could be hashed in the time a look at what may be a header takes."""

SEARCHED_BYTES = 1_048_576
"""Bytes that are hashed in any case, however short the segment is."""


class FrameKind(enum.IntEnum):
    """What a frame's payload is; the spool only carries it."""

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
"""Accepted OTLP requests, by their signal."""

BODIES = frozenset({FrameKind.DELIVERY, FrameKind.ENDING, *OTLP})
"""What a segment is worth keeping for; the others only explain it."""

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
    """Return what stands before `payload`."""
    check = _check(kind, len(payload), received_us)
    return HEADER.pack(MAGIC, kind, check, len(payload), received_us, digest)


def _check(kind: int, length: int, received_us: int) -> bytes:
    return zlib.crc32(CHECKED.pack(kind, length, received_us)).to_bytes(4, "little")[:3]


def read_frames(data: bytes) -> Iterator[Frame | Damage]:
    """Yield the whole frames of a segment in order, and the damage between them.

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
    """Return what the header of a frame says, None where there is none whose payload is there."""
    if len(data) - position < HEADER.size:
        return None
    magic, kind, check, length, received_us, digest = HEADER.unpack_from(data, position)
    if magic != MAGIC or kind not in KINDS or check != _check(kind, length, received_us):
        return None
    if len(data) - position - HEADER.size < length:
        return None
    return FrameKind(kind), length, received_us, digest
