"""Digests of bodies, and batch names made of them."""

from __future__ import annotations

# hashlib exports this function, too, but it also loads OpenSSL: 3 MB that we do not need.
from _blake2 import blake2b
from typing import TYPE_CHECKING

from mmh3 import mmh3_x64_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterable


def digest_of(payload: bytes) -> bytes:
    """Return the digest of a frame's payload, 16 bytes, which shows that the frame is complete.

    Every byte is hashed on receipt and again in the flush; BLAKE2b took nine times longer. An
    attacker can easily make two bodies of one digest, so code that compares bodies also uses other
    values (spool/digests.py and `Contents.name`).
    """
    return mmh3_x64_128_digest(payload)


def strong_digest_of(payload: bytes) -> bytes:
    """Return a collision-resistant digest, for a body whose sender may try to forge a collision."""
    return blake2b(payload, digest_size=16).digest()


def batch_name(digests: Iterable[bytes]) -> str:
    """Return 32 hex digits that depend only on the context and the bodies of a batch."""
    return blake2b(b"".join(digests), digest_size=16).hexdigest()
