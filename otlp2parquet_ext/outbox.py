"""Sealed segments on their way out: waiting to be stored, parked until a commit, or gone.

    sealed --> waiting --stored, and safe--> discarded
                ^ |
                | +--stored, safe with the next commit--> parked --committed--> discarded
                |                                           |
                +--parked so long that its file may be gone-+

    stored, but not everywhere --> owed --settled--> discarded, once it is not parked either

The spool owns the segments; here is only what is known of their way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.spool import Segment, Spool


TRUSTED_MS = 600_000
"""For how long a stored file that nothing refers to yet is taken to be there."""


class Owed(NamedTuple):
    """The name of a stored batch, and the destinations that lack it."""

    batch: str
    to: tuple[str, ...]


class Outbox:
    """The sealed segments of a spool.

    Args:
        spool: holds them until they are discarded.

    Attributes:
        parked: stored segments that are only safe once a commit has landed, and when (Unix ms)
            each was stored.
        owed: segments that some destinations have and others lack, oldest first.
        in_hand: the segment that is being stored, if any.
        settling: the one that is being passed to those it is owed to, if any.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tries: dict[Segment, int] = {}
        self.parked: dict[Segment, int] = {}
        self.owed: dict[Segment, Owed] = {}
        self.in_hand: Segment | None = None
        self.settling: Segment | None = None

    @property
    def waiting(self) -> list[Segment]:
        """Segments that are not stored yet, oldest first."""
        stored = self.parked.keys() | self.owed.keys()
        return [segment for segment in self._spool.sealed if segment not in stored]

    @property
    def oldest_idle(self) -> Segment | None:
        """The oldest segment that is neither stored nor being stored; None when there is none."""
        return next((s for s in self.waiting if s is not self.in_hand), None)

    @property
    def oldest_owed(self) -> Segment | None:
        """The oldest segment that only waits for a destination in trouble, and is not in hand."""
        idle = (s for s in self.owed if s is not self.settling and s not in self.parked)
        return next(idle, None)

    def doubt(self, now_ms: int) -> None:
        """Let those parked for long, as through a freeze, be stored again: it changes nothing.

        Unless somebody cleaned up meanwhile, and took what nothing referred to.
        """
        late = [s for s, at in self.parked.items() if now_ms - at > TRUSTED_MS]
        for segment in late:
            del self.parked[segment]
            self.owed.pop(segment, None)  # who has it will not be asked again

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
                if segment not in self.owed:
                    self.discard(segment)

    def settled(self, segment: Segment) -> None:
        """Note that nobody lacks a segment any more."""
        self.owed.pop(segment, None)
        if segment not in self.parked:
            self.discard(segment)
