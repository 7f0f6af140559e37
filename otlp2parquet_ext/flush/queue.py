"""Sealed segments on their way out: waiting to be stored, parked until a commit, or gone.

    sealed --> waiting --stored, and safe--> discarded
                ^ |
                | +--stored, safe with the next commit--> parked --committed--> discarded
                |                                           |
                +--parked so long that its file may be gone-+

    stored, but not everywhere --> owed --settled--> discarded, once it is not parked either

A segment that may have ended a process (attempts.py) waits behind all others.

The spool owns the segments; here is only what is known of their way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.flush.attempts import Handling, handling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.spool import Segment, Spool


TRUSTED_MS = 600_000
"""For how long a stored file that nothing refers to yet is taken to be there."""


class Owed(NamedTuple):
    """The name of a stored batch, and the destinations that lack it."""

    batch: str
    to: tuple[str, ...]


class SegmentQueue:
    """The sealed segments of a spool.

    Args:
        spool: holds them until they are discarded.

    Attributes:
        parked: stored segments that are only safe once a commit has landed, and when (Unix ms)
            each was stored.
        owed: segments that some destinations have and others lack, oldest first.
        in_hand: the segment that is being stored, if any.
        settling: the one that is being passed to those it is owed to, if any.
        abandoned: those whose store did not end in time, in this process.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tries: dict[Segment, int] = {}
        self._memory_errors: dict[Segment, int] = {}
        self.parked: dict[Segment, int] = {}
        self.owed: dict[Segment, Owed] = {}
        self.in_hand: Segment | None = None
        self.settling: Segment | None = None
        self.abandoned: set[Segment] = set()

    @property
    def waiting(self) -> list[Segment]:
        """Segments that are not stored yet: oldest first, then those that are suspicious."""
        return sorted(self._unstored, key=lambda s: self.handling(s).suspicious)

    @property
    def _unstored(self) -> list[Segment]:
        stored = self.parked.keys() | self.owed.keys()
        return [segment for segment in self._spool.sealed if segment not in stored]

    def handling(self, segment: Segment) -> Handling:
        """Return what is done with a segment when its turn comes."""
        crashes = segment.crashes
        return handling(
            working=crashes.working,
            sending=crashes.sending,
            unfinished=crashes.unfinished,
            memory_errors=self._memory_errors.get(segment, 0),
        )

    def as_text(self, segment: Segment) -> bool:
        """Tell whether a segment is stored as text, for mapping it was too much."""
        return self.handling(segment) is Handling.TEXT

    def is_to_blame(self, segment: Segment) -> bool:
        """Tell whether a segment itself, and no destination, may be why it is not stored."""
        return bool(self.tries(segment)) or self.handling(segment).suspicious

    def memory_was_short(self, segment: Segment) -> None:
        """Note that there was too little memory for a segment."""
        self._memory_errors[segment] = self._memory_errors.get(segment, 0) + 1

    def abandon(self, segment: Segment) -> None:
        """Note that the store of a segment did not end; the next process knows it, too."""
        self.abandoned.add(segment)
        segment.note_unfinished()

    def put_down(self) -> None:
        """Let no segment count as one that ended this process: it ends because it is told to."""
        for segment in self._spool.sealed:
            segment.put_down()

    @property
    def oldest_idle(self) -> Segment | None:
        """The oldest segment that is neither stored nor being stored; None when there is none."""
        return next((s for s in self._unstored if s is not self.in_hand), None)

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
        """Forget a segment."""
        self._spool.discard(segment)
        self.abandoned.discard(segment)
        self._tries.pop(segment, None)
        self._memory_errors.pop(segment, None)

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
