"""Digests of bodies, and the batch names that follow from them."""

from __future__ import annotations

# hashlib re-exports this function, and loads OpenSSL besides: 3 MB that nothing here needs.
from _blake2 import blake2b
from typing import TYPE_CHECKING

from mmh3 import mmh3_x64_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterable


def digest_of(payload: bytes) -> bytes:
    """Return the 16 bytes that prove a frame whole.

    Every byte is hashed as it comes and once more when it is flushed; BLAKE2b took nine times as
    long. Two bodies of one digest are easily made: what tells bodies apart does not rely on it
    alone (digests.py, and `Contents.name`).
    """
    return mmh3_x64_128_digest(payload)


def strong_digest_of(payload: bytes) -> bytes:
    """Return the digest of a body from outside: its sender may try to forge a collision."""
    return blake2b(payload, digest_size=16).digest()


def batch_name(digests: Iterable[bytes]) -> str:
    """Return 32 hex digits that follow from the context and the bodies of a batch only."""
    return blake2b(b"".join(digests), digest_size=16).hexdigest()
