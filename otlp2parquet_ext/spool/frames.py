"""Frames: how a body lies in a segment, and how the frames a crash left are read.

    | "O2P1" | kind 1 | 0 x3 | length 4 | received_us 8 | digest 16 | payload |   little endian

The digest is BLAKE2b-128 of the payload: it proves a frame whole, and tells a redelivered body.
A reader that meets anything else looks for the next frame and counts the bytes in between, so one
torn or overwritten frame never costs the ones behind it.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"O2P1"
HEADER = struct.Struct("<4sB3xIQ16s")


class Kind(enum.IntEnum):
    """What a frame's payload is; the spool only carries it."""

    CONTEXT = 1
    INVOKE = 2
    DELIVERY = 3
    LOSSES = 4


KINDS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame read back; `received_us` is Unix microseconds."""

    kind: Kind
    received_us: int
    digest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes between two frames, or behind the last one, that are no frame."""

    size_bytes: int


def digest_of(payload: bytes) -> bytes:
    """Return the 16 bytes by which a body is recognised."""
    return hashlib.blake2b(payload, digest_size=16).digest()


def batch_name(digests: Iterable[bytes]) -> str:
    """Return 32 hex digits that follow from the context and the bodies of a batch only."""
    return hashlib.blake2b(b"".join(digests), digest_size=16).hexdigest()


def encode_header(kind: Kind, received_us: int, payload: bytes, digest: bytes) -> bytes:
    """Return what stands before `payload`."""
    return HEADER.pack(MAGIC, kind, len(payload), received_us, digest)


def read_frames(data: bytes) -> Iterator[Frame | Damage]:
    """Yield the whole frames of a segment in order, and the damage between them.

    Args:
        data: a segment as it lies on disk; its last frame may be torn.
    """
    position = 0
    while position < len(data):
        frame = _frame_at(data, position)
        if frame is not None:
            yield frame
            position += HEADER.size + len(frame.payload)
            continue
        following = _next_frame(data, position + 1)
        yield Damage(following - position)
        position = following


def _frame_at(data: bytes, position: int) -> Frame | None:
    if len(data) - position < HEADER.size:
        return None
    magic, kind, length, received_us, digest = HEADER.unpack_from(data, position)
    start = position + HEADER.size
    if magic != MAGIC or kind not in KINDS or len(data) - start < length:
        return None
    payload = data[start : start + length]
    return Frame(Kind(kind), received_us, digest, payload) if digest_of(payload) == digest else None


def _next_frame(data: bytes, position: int) -> int:
    """Return where the next whole frame begins, the end of `data` when there is none."""
    while (position := data.find(MAGIC, position)) >= 0:
        if _frame_at(data, position) is not None:
            return position
        position += 1
    return len(data)
