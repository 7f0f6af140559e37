"""Recognises an over-long delivery that the platform repeats, so that it is counted once.

    Content-Length and the first 16 KiB --is_new()--> counted as lost, or counted already

The platform repeats a delivery that was answered 413, and each repetition would count as a new
loss. The first bytes of a delivery hold times and request ids, so two deliveries of the same length
differ in them.
"""

from __future__ import annotations

from collections import OrderedDict

FIRST_BYTES = 16_384
"""Bytes that are read of an over-long body, in order to recognise it."""

REMEMBERED = 64
"""Most deliveries that are remembered; each takes some 100 bytes."""


class OverLong:
    """The latest `REMEMBERED` deliveries that were too long."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int | None, int, int], None] = OrderedDict()

    def is_new(self, length: int | None, first: bytes) -> bool:
        """Tell whether a delivery has to be counted, and remember it.

        Args:
            length: its Content-Length; None where it came in chunks.
            first: its first bytes, at most `FIRST_BYTES`. Without any it cannot be recognised and
                counts as new.
        """
        if not first:
            return True
        key = (length, len(first), hash(first))  # SipHash with a random key of this process
        is_new = key not in self._known
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return is_new
