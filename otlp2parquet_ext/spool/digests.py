"""Bodies that came before, by their digests: so is a delivery known that the platform repeats.

It repeats what it saw no answer to. `Sequence-Id`, where it is sent, is a digest of the body, too,
and says nothing more.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 2_048
"""Some 200 bytes each, once they have come."""


class Digests:
    """The latest `REMEMBERED` digests."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether a body came before."""
        return digest in self._known

    def add(self, digest: bytes) -> None:
        """Remember a body, and forget the one added first."""
        self._known[digest] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
