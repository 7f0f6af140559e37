"""Recognises a delivery that the platform repeats, by the digests of earlier bodies.

The platform repeats a delivery when it received no answer. Where it sends `Sequence-Id`, that is a
digest of the body, too, and adds nothing.

The key of a body is the digest of its frame and a second hash, with a random secret of this
process. The digest alone is not enough. MurmurHash3 has no secret, so an attacker can make two
bodies of one digest at once, and the second would be discarded as a duplicate. The second hash is
never written, so recovery of a segment hashes its bodies again.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 2_048
"""Most bodies that are remembered; each takes some 200 bytes."""


Key = tuple[bytes, int]
"""Key of a body, valid in this process only."""


def known_by(payload: bytes, digest: bytes) -> Key:
    """Return the key of a body: its digest, and SipHash with the interpreter's random key."""
    return digest, hash(payload)


class Digests:
    """The keys of the latest `REMEMBERED` bodies."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, None] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        """Tell whether a body came before."""
        return key in self._known

    def add(self, key: Key) -> None:
        """Remember a body, and forget the oldest one if there are too many."""
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
