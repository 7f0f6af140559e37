"""Sealed segments on their way out: waiting to be stored, parked until a commit, or gone.

    sealed --> waiting --stored, and safe--> discarded
                ^ |
                | +--stored, safe with the next commit--> parked --committed--> discarded
                |                                           |
                +--parked so long that its file may be gone-+

The spool owns the segments; here is only what is known of their way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.spool import Segment, Spool


TRUSTED_MS = 600_000
"""For how long a stored file that nothing refers to yet is taken to be there."""


class Outbox:
    """The sealed segments of a spool.

    Args:
        spool: holds them until they are discarded.

    Attributes:
        parked: stored segments that are only safe once a commit has landed, and when (Unix ms)
            each was stored.
        in_hand: the segment that is being stored, if any.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tries: dict[Segment, int] = {}
        self.parked: dict[Segment, int] = {}
        self.in_hand: Segment | None = None

    @property
    def waiting(self) -> list[Segment]:
        """Segments that are not stored yet, oldest first."""
        return [segment for segment in self._spool.sealed if segment not in self.parked]

    @property
    def oldest_idle(self) -> Segment | None:
        """The oldest segment that is neither stored nor being stored; None when there is none."""
        return next((s for s in self.waiting if s is not self.in_hand), None)

    def doubt(self, now_ms: int) -> None:
        """Let those parked for long, as through a freeze, be stored again: it changes nothing.

        Unless somebody cleaned up meanwhile, and took what nothing referred to.
        """
        self.parked = {s: at for s, at in self.parked.items() if now_ms - at <= TRUSTED_MS}

    def broke(self, segment: Segment) -> int:
        """Count that a segment broke our own code; return how often it did."""
        self._tries[segment] = self.tries(segment) + 1
        return self._tries[segment]

    def tries(self, segment: Segment) -> int:
        """Return how often a segment broke our own code."""
        return self._tries.get(segment, 0)

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
                del self.parked[segment]
                self.discard(segment)
