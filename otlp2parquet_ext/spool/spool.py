"""The owner of all segments: appends, seals, recovers, and keeps within its capacities.

Each process has its own folder (folders.py). It recovers the segments in the folders of dead
processes, so two processes never own the same segment.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.records.digests import digest_of
from otlp2parquet_ext.spool.digests import Digests, known_by
from otlp2parquet_ext.spool.folders import Folders
from otlp2parquet_ext.spool.frames import FrameKind
from otlp2parquet_ext.spool.recovery import Recovery
from otlp2parquet_ext.spool.segment import Segment
from otlp2parquet_ext.spool.values import Appended, Dropped

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from otlp2parquet_ext.spool.directories import Folder
    from otlp2parquet_ext.spool.recovery import RecoveryRound
    from otlp2parquet_ext.spool.values import Note

FOLDER = "otlp2parquet_ext"
NOTES = 1_000
NOTES_BYTES = 1_048_576
"""Most bytes of the notes in one segment, a generous bound. Recovery reads no more bytes than a
segment can have."""

CARRIED = 16

SEGMENT_BYTES = 4_194_304
BODY_BYTES = 67_108_864
"""Most bytes of a body that any setting allows."""

SEGMENT_ITEMS = 10_000
"""Most items of one segment. Short lines take ten times their bytes as columns: 40 000 of them took
100 MB of resident memory."""


class Spool:
    """Segments of this process and those recovered from earlier ones.

    Args:
        folder: the spool folder; this process makes its own folder below it.
        capacity_bytes: most bytes of all segments on disk.
        memory_capacity_bytes: most bytes of all segments in memory.
        segment_bytes, segment_items: size at which a segment is sealed, even if no flush is
            possible. It bounds the memory of a flush.
        body_bytes: longest body that is appended. Recovery reads at most a full segment and one
            such body.

    Attributes:
        open: the segment that takes appends; None if it would be empty.
        sealed: immutable segments that are not stored elsewhere yet, oldest first.
        left_bytes, left_more: bytes of dead processes' segments that wait for another `recover`, in
            the folders examined, and whether there are any.
        left_tallies: losses that dead processes had not reported, by their folders.
    """

    def __init__(
        self,
        folder: Path,
        capacity_bytes: int,
        memory_capacity_bytes: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_items: int = SEGMENT_ITEMS,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        self._folders = Folders(folder / FOLDER)
        self._recovery = Recovery(self._folders, segment_bytes + body_bytes + NOTES_BYTES)
        self._capacity_bytes = capacity_bytes
        self._memory_capacity_bytes = memory_capacity_bytes
        self._memory_part_bytes = memory_capacity_bytes // 4
        self._segment_bytes = segment_bytes
        self._segment_items = segment_items
        self._count = 0
        self._digests = Digests()
        self._preamble: list[Note] = []
        self._notes: deque[Note] = deque(maxlen=NOTES)
        self.open: Segment | None = None
        self.sealed: list[Segment] = []
        self.left_bytes = 0
        self.left_more = False
        self.left_tallies: dict[Folder, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return self._held_bytes(on_disk=True) + self._held_bytes(on_disk=False)

    @property
    def held_in_memory(self) -> tuple[int, int]:
        """Items and bytes in memory, which are lost when this process ends."""
        held = self._segments(on_disk=False)
        return sum(s.items for s in held), sum(s.size_bytes for s in held)

    def set_preamble(self, notes: Iterable[Note]) -> None:
        """Set the first frames of every later segment, so that it can be read alone."""
        self._preamble = list(notes)

    def note(self, note: Note) -> None:
        """Keep a note for the deliveries that it explains, which may come much later.

        The open segment gets it, and each later segment gets the latest `CARRIED` notes, too. While
        no segment is open, up to `NOTES` notes stay in memory, because a note alone is not worth a
        file.
        """
        self._notes.append(note)
        if self.open is None:
            return
        kind, payload, received_us = note
        if self._room(len(payload), on_disk=self.open.on_disk):
            with contextlib.suppress(OSError):
                self.open.append(kind, payload, received_us, digest_of(payload), 0)
                return
        # The next delivery opens another segment, which also begins with this note.
        self._close_open()

    def append(
        self, payload: bytes, received_us: int, items: int, kind: FrameKind = FrameKind.DELIVERY
    ) -> Appended | Dropped:
        """Append one body; after `Appended`, it survives the end of our process.

        Args:
            payload: the body as received.
            received_us: Unix microseconds.
            items: number of events or records.
            kind: one of `BODIES`.
        """
        digest = digest_of(payload)
        key = known_by(payload, digest)
        if key in self._digests:
            return Appended(duplicate=True)
        result = self._append_somewhere(kind, payload, received_us, digest, items)
        if isinstance(result, Appended):
            self._digests.add(key)
        return result

    def remember(self, payload: bytes) -> None:
        """Remember a body that was dropped and counted, to count no repetition of it."""
        self._digests.add(known_by(payload, digest_of(payload)))

    def _append_somewhere(
        self, kind: FrameKind, payload: bytes, received_us: int, digest: bytes, items: int
    ) -> Appended | Dropped:
        reason = "the spool is full"
        # A segment in memory takes many deliveries, because each segment needs a descriptor.
        in_memory = self.open is not None and not self.open.on_disk
        for on_disk in (False, True) if in_memory else (True, False):
            if not self._room(len(payload), on_disk=on_disk):
                continue
            try:
                segment = self._segment(on_disk=on_disk)
                segment.append(kind, payload, received_us, digest, items)
            except OSError as error:
                reason = f"the spool cannot be written: {quote(error.strerror or error)}"
                self._close_open()
            else:
                if self._is_full(segment):
                    self.seal()
                return Appended(duplicate=False)
        return Dropped(reason)

    def prepend(self, payload: bytes, received_us: int, items: int) -> bool:
        """Queue a delivery of our own ahead of all others, even beyond the capacity.

        Args: see `append`; `payload` is small.

        Returns:
            False if neither disk nor memory takes it.
        """
        for on_disk in (True, False):
            try:
                segment = self._new_segment(on_disk=on_disk)
                segment.append(FrameKind.DELIVERY, payload, received_us, digest_of(payload), items)
            except OSError:
                continue
            self.sealed.insert(0, segment)
            return True
        return False

    def _is_full(self, segment: Segment) -> bool:
        """Tell whether a segment has its full size; in memory it is small enough for several."""
        largest = self._segment_bytes
        if not segment.on_disk:
            largest = min(largest, self._memory_part_bytes)
        return segment.size_bytes >= largest or segment.items >= self._segment_items

    def tally(self, body: bytes) -> bool:
        """Store the tally of losses, which survives this process; False if that fails."""
        return self._folders.write_tally(body)

    def forget_left_tallies(self) -> None:
        """Clear the tallies of dead processes, because our own tally contains them now."""
        while self.left_tallies:
            self._folders.clear_tally(self.left_tallies.popitem()[0])

    def seal(self) -> Segment | None:
        """Close the open segment and queue it; None if it is empty."""
        before = len(self.sealed)
        self._close_open()
        return self.sealed[-1] if len(self.sealed) > before else None

    def discard(self, segment: Segment) -> None:
        """Remove a sealed segment whose batch is stored."""
        self.sealed.remove(segment)
        segment.discard()
        if segment.folder is not None and segment.folder != self._folders.own:
            self._release(segment.folder)

    def recover(self) -> int:
        """Recover segments of dead processes, the newest first; return how many.

        It takes at most `RECOVERED` at a time. If `left_more`, call it again when these are
        discarded.
        """
        return self.adopt(self.find_left())

    def find_left(self) -> RecoveryRound:
        """Find segments of dead processes for `adopt`; on any thread, one call at a time."""
        return self._recovery.find()

    def adopt(self, found: RecoveryRound) -> int:
        """Take ownership of the found segments; return how many."""
        for key in found.known:
            self._digests.add(key)
        self.left_tallies |= found.tallies
        self.left_bytes, self.left_more = found.left_bytes, found.more
        self.sealed = found.segments + self.sealed
        return len(found.segments)

    def _close_open(self) -> None:
        segment, self.open = self.open, None
        if segment is None:
            return
        if segment.deliveries:
            self.sealed.append(segment)
        else:
            segment.discard()

    def _segment(self, *, on_disk: bool) -> Segment:
        """Return an open segment on disk or in memory, with the preamble written."""
        if self.open is not None and self.open.on_disk is not on_disk:
            self._close_open()
        if self.open is None:
            self.open = self._new_segment(on_disk=on_disk)
            for kind, payload, received_us in self._notes:
                self.open.append(kind, payload, received_us, digest_of(payload), 0)
            while len(self._notes) > CARRIED:
                self._notes.popleft()
        return self.open

    def _new_segment(self, *, on_disk: bool) -> Segment:
        """Return a new segment with the preamble in it.

        Raises:
            OSError: there is no space for one.
        """
        segment = self._create() if on_disk else Segment.in_memory()
        try:
            for kind, payload, received_us in self._preamble:
                segment.append(kind, payload, received_us, digest_of(payload), 0)
        except OSError:
            segment.discard()
            raise
        return segment

    def _create(self) -> Segment:
        folder = self._folders.make_own()
        self._count += 1
        return Segment.create(folder, f"{self._count:08d}")

    def _release(self, folder: Folder) -> None:
        """Remove a recovered folder once its last segment is gone."""
        if all(s.folder != folder for s in self.sealed) and not self._recovery.holds(folder):
            self._folders.release(folder)

    def _room(self, size_bytes: int, *, on_disk: bool) -> bool:
        capacity = self._capacity_bytes if on_disk else self._memory_capacity_bytes
        return self._held_bytes(on_disk=on_disk) + size_bytes <= capacity

    def _held_bytes(self, *, on_disk: bool) -> int:
        held = sum(s.disk_bytes for s in self._segments(on_disk=on_disk))
        return held + self.left_bytes if on_disk else held

    def _segments(self, *, on_disk: bool) -> list[Segment]:
        segments = [*self.sealed, self.open] if self.open else self.sealed
        return [s for s in segments if s.on_disk is on_disk]
