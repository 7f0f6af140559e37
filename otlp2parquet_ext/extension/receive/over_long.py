"""Deliveries that are too long to be read, recognised when the platform sends them again.

    Content-Length and the first 16 KiB --is_new()--> counted as lost, or counted already

The platform repeats a delivery that was answered 413, so each would be counted at each repetition.
Its first bytes hold times and request ids: two deliveries of one length differ in them.
"""

from __future__ import annotations

from collections import OrderedDict

FIRST_BYTES = 16_384
"""Bytes of a body that is too long which are read, in order to recognise it."""

REMEMBERED = 64
"""Most deliveries that are recognised: each takes some 100 bytes."""


class OverLong:
    """The latest `REMEMBERED` deliveries that were too long."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int | None, int, int], None] = OrderedDict()

    def is_new(self, length: int | None, first: bytes) -> bool:
        """Tell whether a delivery has to be counted; it is remembered from now on.

        Args:
            length: its Content-Length; None where it came in chunks.
            first: its first bytes, `FIRST_BYTES` if so many came. Without any nothing tells it
                from others, so it is new.
        """
        if not first:
            return True
        key = (length, len(first), hash(first))  # SipHash, under a key of this process
        is_new = key not in self._known
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return is_new
