"""The owner of all segments: appends, seals, recovers, and keeps within its capacities.

A process has a folder of its own below the spool folder and holds a lock in it for as long as it
lives; a folder whose lock is free belongs to a dead process, and its segments are recovered. So
two processes never own the same segment, and the kernel tells who is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.spool.frames import Frame, Kind, digest_of, read_frames
from otlp2parquet_ext.spool.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER = "otlp2parquet_ext"
REMEMBERED_DIGESTS = 512
NOTES = 1_000
CARRIED = 16
RECOVERED = 100
"""Segments taken over at a time: each is an open file, and Lambda allows 1 024."""

SEGMENT_BYTES = 4_194_304


Note = tuple[Kind, bytes, int]
"""A fact that is no delivery: kind, payload, Unix microseconds at which it was learned."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The body is in the spool, or was already (`duplicate`)."""

    duplicate: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The body is lost, and why."""

    reason: str


class Spool:
    """Segments of this process and those recovered from earlier ones.

    Args:
        folder: the spool folder; this process makes a folder of its own below it.
        capacity_bytes: what all segments on disk may take.
        memory_capacity_bytes: what all segments in memory may take.
        segment_bytes: a segment is sealed at this size even when nobody can flush it: it bounds
            the memory of a flush.

    Attributes:
        open: the segment appended to, None while nothing waits.
        sealed: immutable segments that are not safe elsewhere yet, oldest first.
        left_bytes: bytes of dead processes' segments that wait for another `recover`.
    """

    def __init__(
        self,
        folder: Path,
        capacity_bytes: int,
        memory_capacity_bytes: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._root = folder / FOLDER
        self._capacity_bytes = capacity_bytes
        self._memory_capacity_bytes = memory_capacity_bytes
        self._segment_bytes = segment_bytes
        self._own: Path | None = None
        self._locks: dict[Path, int] = {}
        self._count = 0
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._preamble: list[Note] = []
        self._notes: deque[Note] = deque(maxlen=NOTES)
        self.open: Segment | None = None
        self.sealed: list[Segment] = []
        self.left_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return self._held_bytes(on_disk=True) + self._held_bytes(on_disk=False)

    def set_preamble(self, notes: Iterable[Note]) -> None:
        """Set what every later segment begins with, so that it can be read alone."""
        self._preamble = list(notes)

    def note(self, note: Note) -> None:
        """Keep a fact for the deliveries it explains, which may come much later.

        It goes into the open segment, and the latest `CARRIED` go into the next ones, too. While
        no segment is open up to `NOTES` are remembered: a fact alone is not worth a file.
        """
        self._notes.append(note)
        if self.open is None:
            return
        kind, payload, received_us = note
        if self._room(len(payload), on_disk=self.open.on_disk):
            with contextlib.suppress(OSError):
                self.open.append(kind, payload, received_us, digest_of(payload), 0)
                return
        # The next delivery opens another segment, which begins with this note, too.
        self._close_open()

    def append(self, payload: bytes, received_us: int, items: int) -> Appended | Dropped:
        """Append one delivery; when this returns `Appended`, it outlives our process.

        Args:
            payload: the body as it came.
            received_us: Unix microseconds.
            items: events in it.
        """
        digest = digest_of(payload)
        if digest in self._digests:
            return Appended(duplicate=True)
        result = self._append_somewhere(payload, received_us, digest, items)
        if isinstance(result, Appended):
            self._remember(digest)
        return result

    def _append_somewhere(
        self, payload: bytes, received_us: int, digest: bytes, items: int
    ) -> Appended | Dropped:
        reason = "the spool is full"
        # A segment in memory is filled like any other: one a delivery would be one descriptor each.
        in_memory = self.open is not None and not self.open.on_disk
        for on_disk in (False, True) if in_memory else (True, False):
            if not self._room(len(payload), on_disk=on_disk):
                continue
            try:
                segment = self._segment(on_disk=on_disk)
                segment.append(Kind.DELIVERY, payload, received_us, digest, items)
            except OSError as error:
                reason = f"the spool cannot be written: {error.strerror or error}"
                self._close_open()
            else:
                if segment.size_bytes >= self._segment_bytes:
                    self.seal()
                return Appended(duplicate=False)
        return Dropped(reason)

    def seal(self) -> Segment | None:
        """Close the open segment and queue it; None when there is nothing in it."""
        before = len(self.sealed)
        self._close_open()
        return self.sealed[-1] if len(self.sealed) > before else None

    def discard(self, segment: Segment) -> None:
        """Forget a sealed segment whose batch is safe."""
        self.sealed.remove(segment)
        segment.discard()
        if segment.path is not None and segment.path.parent != self._own:
            self._release(segment.path.parent)

    def recover(self) -> int:
        """Take over the segments of dead processes; return how many.

        Only about `RECOVERED` of them, the newest, where a function that crashes again and again
        has left more: the rest are `left_bytes`, for a call when these are discarded.
        """
        found: list[Segment] = []
        self.left_bytes = 0
        for folder in sorted(self._root.glob("*/"), key=_modified, reverse=True):
            if len(found) >= RECOVERED:
                self.left_bytes += sum(_size(path) for path in folder.glob("*.seg"))
            elif folder != self._own and self._lock(folder):
                found += self._recover_folder(folder)
        found.sort(key=lambda s: s.since_us)
        # What was acknowledged last may be sent again, because the answer died with the process.
        for frame in read_frames(found[-1].read()) if found else ():
            if isinstance(frame, Frame) and frame.kind is Kind.DELIVERY:
                self._remember(frame.digest)
        self.sealed = found + self.sealed
        return len(found)

    def _recover_folder(self, folder: Path) -> list[Segment]:
        found: list[Segment] = []
        for path in sorted(folder.glob("*.seg")):
            with contextlib.suppress(OSError):
                found.append(Segment.recover(path))
        if not found:
            self._release(folder)
        return found

    def _close_open(self) -> None:
        segment, self.open = self.open, None
        if segment is None:
            return
        if segment.deliveries:
            self.sealed.append(segment)
        else:
            segment.discard()

    def _segment(self, *, on_disk: bool) -> Segment:
        """Return an open segment of that sort; its preamble is written."""
        if self.open is not None and self.open.on_disk is not on_disk:
            self._close_open()
        if self.open is None:
            self.open = Segment.create(self._next_path()) if on_disk else Segment.in_memory()
            for kind, payload, received_us in (*self._preamble, *self._notes):
                self.open.append(kind, payload, received_us, digest_of(payload), 0)
            while len(self._notes) > CARRIED:
                self._notes.popleft()
        return self.open

    def _next_path(self) -> Path:
        if self._own is not None and not self._own.is_dir():
            os.close(self._locks.pop(self._own))  # a lock on a file whose name is gone
            self._own = None
        if self._own is None:
            self._own = self._make_own()
        self._count += 1
        return self._own / f"{self._count:08d}.seg"

    def _make_own(self) -> Path:
        for attempt in range(1_000):
            folder = self._root / f"{os.getpid()}-{attempt}"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder not in self._locks and self._lock(folder) and not any(folder.glob("*.seg")):
                return folder
        raise OSError(f"no free folder below {self._root}")

    def _lock(self, folder: Path) -> bool:
        """Try to become the owner of `folder`; the kernel gives the lock up when we die."""
        try:
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock on a file that its last owner removed meanwhile locks nothing.
            mine = os.fstat(descriptor).st_ino == os.stat(folder / "lock").st_ino  # noqa: PTH116
        except OSError:
            mine = False
        if mine:
            self._locks[folder] = descriptor
        else:
            os.close(descriptor)
        return mine

    def _release(self, folder: Path) -> None:
        """Remove a recovered folder once its last segment is gone."""
        if any(s.path is not None and s.path.parent == folder for s in self.sealed):
            return
        descriptor = self._locks.pop(folder, None)
        with contextlib.suppress(OSError):  # somebody's file lies in it, or it is gone already
            (folder / "lock").unlink(missing_ok=True)
            folder.rmdir()
        if descriptor is not None:
            os.close(descriptor)

    def _room(self, size_bytes: int, *, on_disk: bool) -> bool:
        capacity = self._capacity_bytes if on_disk else self._memory_capacity_bytes
        return self._held_bytes(on_disk=on_disk) + size_bytes <= capacity

    def _held_bytes(self, *, on_disk: bool) -> int:
        segments = [*self.sealed, self.open] if self.open else self.sealed
        held = sum(s.size_bytes for s in segments if s.on_disk is on_disk)
        return held + self.left_bytes if on_disk else held

    def _remember(self, digest: bytes) -> None:
        self._digests[digest] = None
        if len(self._digests) > REMEMBERED_DIGESTS:
            self._digests.popitem(last=False)


def _modified(path: Path) -> int:
    """Return when a folder last changed, 0 when it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
