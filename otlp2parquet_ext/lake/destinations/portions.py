"""What is sent at once: a part of a batch that can be cut where a server refuses it whole. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Portion(Protocol):
    """Records, and the body they are sent as.

    Attributes:
        pieces: into how many parts it can be cut; at least 1.
    """

    @property
    def pieces(self) -> int:
        """How many pieces there are."""

    @property
    def size_bytes(self) -> int:
        """How long its body is, or a few bytes more."""

    def records(self) -> int:
        """Return how many records are lost when it is; what tells of losses is none."""

    def body(self, attempt: int) -> bytes:
        """Return what is sent.

        Args:
            attempt: how often the batch was tried before.
        """

    def cut(self, at: int) -> tuple[Portion, Portion]:
        """Return the first `at` pieces and the others; 0 < at < pieces."""


def fitting(portion: Portion, limit_bytes: int) -> Iterator[Portion]:
    """Yield the portion in parts whose bodies have `limit_bytes` at most, or one piece each."""
    waiting = [portion]
    while waiting:
        first = waiting.pop()
        if first.pieces > 1 and first.size_bytes > limit_bytes:
            waiting += reversed(first.cut(first.pieces // 2))
        else:
            yield first


def without_first(portions: Iterable[Portion], pieces: int) -> Iterator[Portion]:
    """Yield what is left of portions when the first pieces are left out."""
    for portion in portions:
        if pieces >= portion.pieces:
            pieces -= portion.pieces
        elif pieces:
            yield portion.cut(pieces)[1]
            pieces = 0
        else:
            yield portion
