"""Bodies that came before: so is a delivery known that the platform repeats.

It repeats what it saw no answer to. `Sequence-Id`, where it is sent, is a digest of the body, too,
and says nothing more.

A body is known by the digest of its frame and by a second hash, whose key this process drew and
tells nobody. The digest alone would not do: MurmurHash3 has no key, two bodies of one digest are
made in an instant, whatever its seed, and the second one would be taken for the first. The second
hash is never written: who recovers a segment hashes its bodies anew.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 2_048
"""Some 200 bytes each, once they have come."""


Key = tuple[bytes, int]
"""What a body is known by, in this process only."""


def known_by(payload: bytes, digest: bytes) -> Key:
    """Return what a body is known by: its digest, and SipHash under the interpreter's own key."""
    return digest, hash(payload)


class Digests:
    """The latest `REMEMBERED` bodies."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, None] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        """Tell whether a body came before."""
        return key in self._known

    def add(self, key: Key) -> None:
        """Remember a body, and forget the one added first."""
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
