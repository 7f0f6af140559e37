"""The records of one request: a part of a batch, cut in two when a server refuses it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Portion(Protocol):
    """The records of one request, and its body.

    Attributes:
        pieces: number of pieces it can be cut into; at least 1.
    """

    @property
    def pieces(self) -> int:
        """Number of pieces."""

    @property
    def size_bytes(self) -> int:
        """Length of the body, or a few bytes more."""

    def records(self) -> int:
        """Return the number of records, without those that report losses."""

    def body(self, attempt: int) -> bytes:
        """Return the body of the request.

        Args:
            attempt: number of earlier tries of the batch.
        """

    def cut(self, at: int) -> tuple[Portion, Portion]:
        """Return the first `at` pieces and the others; 0 < at < pieces."""


def fitting(portion: Portion, limit_bytes: int) -> Iterator[Portion]:
    """Yield the portion in parts of at most `limit_bytes`, or of one longer piece."""
    waiting = [portion]
    while waiting:
        first = waiting.pop()
        if first.pieces > 1 and first.size_bytes > limit_bytes:
            waiting += reversed(first.cut(first.pieces // 2))
        else:
            yield first


def without_first(portions: Iterable[Portion], pieces: int) -> Iterator[Portion]:
    """Yield the portions without their first `pieces` pieces."""
    for portion in portions:
        if pieces >= portion.pieces:
            pieces -= portion.pieces
        elif pieces:
            yield portion.cut(pieces)[1]
            pieces = 0
        else:
            yield portion
