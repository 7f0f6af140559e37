"""The segment queue: every sealed segment that is not yet safe everywhere (no I/O, no clock).

    spool seals --> WAITING … STORED (segment_state.py) --> `take_discarded` --> spool deletes

The spool owns the files and their order; the queue owns their states. A segment that may have
caused a crash (attempts.py) waits behind all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from otlp2parquet_ext.flush.attempts import Handling, handling
from otlp2parquet_ext.flush.segment_state import SegmentState, SegmentStep, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otlp2parquet_ext.spool import Segment

UNREFERENCED_SAFE_MS = 600_000
"""Longest wait for a commit after which a stored file without a snapshot is assumed to exist."""


class SealedSegments(Protocol):
    """The part of the spool that the queue reads."""

    @property
    def sealed(self) -> Sequence[Segment]:
        """Sealed segments that are not deleted yet, oldest first."""


class SegmentQueue:
    """The states of the sealed segments.

    Args:
        spool: lists them, oldest first.
    """

    def __init__(self, spool: SealedSegments) -> None:
        self._spool = spool
        self._states: dict[Segment, SegmentState] = {}
        self._given_up: list[str] = []

    def state(self, segment: Segment) -> SegmentState:
        """Return the state of a sealed segment; a segment just sealed is WAITING."""
        state = self._states.get(segment)
        if state is None:
            state = self._states[segment] = SegmentState()
        return state

    def _in(self, *stages: Stage) -> list[Segment]:
        return [segment for segment in self._spool.sealed if self.state(segment).stage in stages]

    @property
    def unstored(self) -> list[Segment]:
        """Segments that are not durable yet, oldest first."""
        return self._in(Stage.WAITING, Stage.STORING)

    @property
    def waiting(self) -> list[Segment]:
        """Segments to store next: oldest first, then those that may have caused a crash."""
        return sorted(self._in(Stage.WAITING), key=lambda s: self.handling(s).suspicious)

    def has_storable(self, *, may_abandon: bool) -> bool:
        """Tell whether `storable` is not empty; each delivery calls this, so it does not sort."""
        states = (self.state(segment) for segment in self._spool.sealed)
        return any(s.stage is Stage.WAITING and (may_abandon or not s.abandoned) for s in states)

    def storable(self, *, may_abandon: bool) -> list[Segment]:
        """Return the segments that may be stored now, in the order of `waiting`.

        Args:
            may_abandon: another thread may be abandoned. If not, abandoned segments are left out,
                because one could block the storing thread for ever.
        """
        waiting = self.waiting
        return waiting if may_abandon else [s for s in waiting if not self.state(s).abandoned]

    @property
    def storing(self) -> Segment | None:
        """The segment that a worker stores; None if no store runs."""
        return next(iter(self._in(Stage.STORING)), None)

    @property
    def awaiting_commit(self) -> list[Segment]:
        """Stored segments that become safe with the next commit."""
        return self._in(Stage.AWAITING_COMMIT)

    @property
    def undelivered(self) -> list[Segment]:
        """Stored segments that some destinations lack, oldest first."""
        found = (s for s in self._spool.sealed if self.state(s).stored)
        return [segment for segment in found if self.state(segment).undelivered]

    @property
    def behind(self) -> frozenset[str]:
        """Names of the destinations that lack a segment; they get new batches by redelivery."""
        states = self._states.values()
        return frozenset(n for state in states if state.stored for n in state.undelivered)

    @property
    def oldest_idle(self) -> Segment | None:
        """The oldest segment that is neither stored nor being stored; None if there is none."""
        return next(iter(self._in(Stage.WAITING)), None)

    @property
    def oldest_undelivered(self) -> Segment | None:
        """The oldest safe segment that a destination lacks and that is not being redelivered."""
        safe = (s for s in self.undelivered if self.state(s).stage is Stage.STORED)
        return next((s for s in safe if not self.state(s).redelivering), None)

    def handling(self, segment: Segment) -> Handling:
        """Return how to store a segment."""
        crashes = segment.crashes
        return handling(
            working=crashes.working,
            sending=crashes.sending,
            unfinished=crashes.unfinished,
            memory_errors=self.state(segment).memory_errors,
        )

    def as_text(self, segment: Segment) -> bool:
        """Tell whether to store a segment as text, because its mapping failed."""
        return self.handling(segment) is Handling.TEXT

    def is_suspect(self, segment: Segment) -> bool:
        """Tell whether the segment itself may cause its failures, not the destination."""
        return bool(self.state(segment).bug_attempts) or self.handling(segment).suspicious

    def store_begins(self, segment: Segment) -> None:
        """Note that a worker stores a segment."""
        self.state(segment).advance(SegmentStep.STORE)

    def store_failed(self, segment: Segment) -> None:
        """Note that a store failed or was abandoned, so the segment waits again."""
        self.state(segment).advance(SegmentStep.FAIL)

    def store_abandoned(self, segment: Segment) -> None:
        """Note that the store of a segment did not end in time; it is stored after the others."""
        self.state(segment).abandoned = True

    def stored(
        self, segment: Segment, batch: str, undelivered: tuple[str, ...], *, safe: bool, now_ms: int
    ) -> None:
        """Note that a segment is stored.

        Args:
            segment: the stored segment.
            batch: the name of its batch.
            undelivered: destinations that lack it.
            safe: it survives the environment; if False, the next commit makes it safe.
            now_ms: ms of `steady_ms`.
        """
        state = self.state(segment)
        state.advance(SegmentStep.KEEP if safe else SegmentStep.KEEP_FOR_COMMIT)
        state.batch, state.undelivered, state.stored_ms = batch, undelivered, now_ms
        self._discard_delivered(segment)

    def committed(self, segments: Iterable[Segment]) -> None:
        """Note that segments are safe, by a commit or a descriptor, if they still wait for one."""
        for segment in segments:
            if self.state(segment).stage is Stage.AWAITING_COMMIT:
                self.state(segment).advance(SegmentStep.COMMIT)
                self._discard_delivered(segment)

    def redeliverable(self, *, may_abandon: bool) -> list[Segment]:
        """Return the segments that may be redelivered now: oldest first, then abandoned ones.

        Args:
            may_abandon: see `storable`.
        """
        found = sorted(self.undelivered, key=lambda s: self.state(s).redelivery_abandoned)
        return (
            found if may_abandon else [s for s in found if not self.state(s).redelivery_abandoned]
        )

    def redelivery_overlong(self, segment: Segment) -> None:
        """Note that a redelivery did not end in time: the segment comes after all others."""
        self.state(segment).redelivery_abandoned = True

    @property
    def redelivering(self) -> Segment | None:
        """The segment that a worker redelivers; None when there is none."""
        return next((s for s in self._spool.sealed if self.state(s).redelivering), None)

    def requeue_awaiting(self) -> None:
        """Requeue all segments that await a commit: the destinations that stored them are gone."""
        self._requeue(self.awaiting_commit)

    def requeue_unreferenced(self, now_ms: int) -> None:
        """Requeue segments that waited more than `UNREFERENCED_SAFE_MS` for a commit.

        They may wait through a freeze. A sweep may have deleted their files, because no snapshot
        names them. Storing them again is idempotent.
        """
        awaiting = self.awaiting_commit
        self._requeue(
            s for s in awaiting if now_ms - self.state(s).stored_ms > UNREFERENCED_SAFE_MS
        )

    def _requeue(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            state = self.state(segment)
            state.advance(SegmentStep.REQUEUE)
            state.undelivered = ()  # the next store sends to every destination again

    def redelivery_begins(self, segment: Segment) -> None:
        """Note that a worker sends a segment to the destinations that lack it."""
        self.state(segment).redelivering = True

    def redelivery_ended(self, segment: Segment, undelivered: tuple[str, ...] | None) -> None:
        """Note the destinations that still lack a segment; None means the same as before."""
        state = self.state(segment)
        state.redelivering = False
        if undelivered is not None and state.stored:
            state.undelivered = undelivered
            self._discard_delivered(segment)

    def bug(self, segment: Segment) -> int:
        """Count a failure of our own code with a segment; return the number of such failures."""
        self.state(segment).bug_attempts += 1
        return self.state(segment).bug_attempts

    def memory_was_short(self, segment: Segment) -> None:
        """Note that memory was too small to store a segment."""
        self.state(segment).memory_errors += 1

    def dropped(self, segment: Segment) -> None:
        """Note that a segment is dropped; the caller has counted it."""
        state = self.state(segment)
        if state.undelivered:
            self._given_up.append(state.batch)
            state.undelivered = ()
        state.advance(SegmentStep.DISCARD)

    def take_given_up(self) -> list[str]:
        """Return the batches dropped before every destination had them, and forget them."""
        given_up, self._given_up = self._given_up, []
        return given_up

    def take_discarded(self) -> list[Segment]:
        """Return the segments whose files may be deleted now, and forget them."""
        found = [s for s, state in self._states.items() if state.stage is Stage.DISCARDED]
        for segment in found:
            del self._states[segment]
        return found

    def _discard_delivered(self, segment: Segment) -> None:
        if self.state(segment).delivered:
            self.state(segment).advance(SegmentStep.DISCARD)
