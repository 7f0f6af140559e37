"""Sealed segments on their way out: waiting to be stored, parked until a commit, or gone.

    sealed --> waiting --stored, and safe--> discarded
                  |
                  +--stored, safe with the next commit--> parked --committed--> discarded

The spool owns the segments; here is only what is known of their way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.spool import Segment, Spool


class Outbox:
    """The sealed segments of a spool.

    Args:
        spool: holds them until they are discarded.

    Attributes:
        parked: stored segments that are only safe once a commit has landed.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tries: dict[Segment, int] = {}
        self.parked: list[Segment] = []

    @property
    def waiting(self) -> list[Segment]:
        """Segments that are not stored yet, oldest first."""
        return [segment for segment in self._spool.sealed if segment not in self.parked]

    def broke(self, segment: Segment) -> int:
        """Count that a segment broke our own code; return how often it did."""
        tries = self._tries[segment] = self._tries.get(segment, 0) + 1
        return tries

    def is_broken(self, segment: Segment) -> bool:
        """Tell whether a segment broke our own code before."""
        return segment in self._tries

    def discard(self, segment: Segment) -> None:
        """Forget a segment; after the last of many that were left, take over more."""
        self._spool.discard(segment)
        self._tries.pop(segment, None)
        if not self._spool.sealed and self._spool.left_bytes:
            self._spool.recover()

    def discard_parked(self, segments: Iterable[Segment]) -> None:
        """Forget those of `segments` that are parked: they are safe now."""
        for segment in segments:
            if segment in self.parked:
                self.parked.remove(segment)
                self.discard(segment)
