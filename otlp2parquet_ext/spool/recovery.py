"""Recovery: finds the segments of dead processes, a bounded part at a time.

    Recovery.find() --thread--> Found --loop--> Spool.adopt()

The function may have created anything below the spool folder: links, pipes, files of any apparent
size, thousands of folders. So a round reads `LISTED` names of a directory, visits `VISITED` folders
and opens `RECOVERED` segments. It reads no more of a segment than one of ours can have. The next
round takes the rest, once these segments are discarded.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.spool import directories
from otlp2parquet_ext.spool.digests import REMEMBERED, Key, known_by
from otlp2parquet_ext.spool.frames import BODIES, Frame, read_frames
from otlp2parquet_ext.spool.segment import Segment

if TYPE_CHECKING:
    from otlp2parquet_ext.spool.directories import Folder
    from otlp2parquet_ext.spool.folders import Folders

RECOVERED = 100
"""Most segments that are recovered at a time: each is an open file, and Lambda allows 1 024."""

VISITED = 200
"""Most folders that are locked and listed in a round."""

SIZED = 500
"""Most folders waiting for another round whose segments count as held bytes."""


class RecoveryRound(Struct):
    """The result of one round.

    Attributes:
        segments: recovered ones, oldest first.
        tallies: losses that dead processes had not reported, by their folders.
        known: keys of the bodies in the newest segment.
        left_bytes: bytes of segments that wait for another round, in the folders examined.
        more: another round would find more segments.
    """

    segments: list[Segment] = field(default_factory=list)
    tallies: dict[Folder, bytes] = field(default_factory=dict)
    known: deque[Key] = field(default_factory=deque)
    left_bytes: int = 0
    more: bool = False


class Recovery:
    """Finds segments of dead processes; one round at a time, on any thread.

    Args:
        folders: those of all processes.
        largest_bytes: most bytes that one segment of ours can have.
    """

    def __init__(self, folders: Folders, largest_bytes: int) -> None:
        self._folders = folders
        self._largest_bytes = largest_bytes
        self._unseen: list[Folder] | None = None  # the one changed last is at the end
        self._begun: dict[Folder, set[str]] = {}  # unfinished folders; names taken
        self._sizes: dict[Folder, int] = {}

    def find(self) -> RecoveryRound:
        """Recover segments, the newest folders first."""
        found = RecoveryRound()
        for folder in list(self._begun):
            self._take(folder, found)
        if self._unseen is None:
            self._unseen = self._list()
        for _ in range(VISITED):
            if not self._unseen or len(found.segments) >= RECOVERED:
                break
            self._visit(self._unseen.pop(), found)
        found.more |= bool(self._unseen)
        found.left_bytes += sum(map(self._size, self._unseen[-SIZED:]))
        found.segments.sort(key=lambda segment: segment.since_us)
        found.known = self._known_of(found.segments)
        return found

    def _list(self) -> list[Folder]:
        others, beyond = self._folders.others()
        if beyond:
            log(
                "warning",
                f"the spool has more than {directories.LISTED} folders: "
                "what lies in the others stays there",
            )
        return others

    def _visit(self, folder: Folder, found: RecoveryRound) -> None:
        self._sizes.pop(folder, None)
        if not self._folders.is_used(folder) or not self._folders.lock(folder):
            return  # not our folder, its owner lives, or it is not trusted
        if tally := self._folders.tally_of(folder):
            found.tallies[folder] = tally
        self._begun[folder] = set()
        if not self._take(folder, found):
            self._folders.release(folder)

    def _take(self, folder: Folder, found: RecoveryRound) -> bool:
        """Recover segments of a folder whose lock we hold; False if it has none."""
        taken = self._begun.pop(folder)
        before = len(found.segments)
        for name, size_bytes in self._folders.segments_in(folder).items():
            if name in taken:
                continue
            if len(found.segments) >= RECOVERED:
                found.left_bytes += size_bytes
                found.more = True
                self._begun[folder] = taken
                continue
            taken.add(name)
            with contextlib.suppress(OSError):
                found.segments.append(Segment.recover(folder, name, self._largest_bytes))
        return len(found.segments) > before or folder in self._begun

    def holds(self, folder: Folder) -> bool:
        """Tell whether a folder has segments that a later round recovers."""
        return folder in self._begun

    def _size(self, folder: Folder) -> int:
        if folder not in self._sizes:
            self._sizes[folder] = sum(self._folders.segments_in(folder).values())
        return self._sizes[folder]

    def _known_of(self, segments: list[Segment]) -> deque[Key]:
        """Return the keys of the last bodies: the platform repeats one whose answer was lost."""
        frames = read_frames(segments[-1].read()) if segments else ()
        bodies = (f for f in frames if isinstance(f, Frame) and f.kind in BODIES)
        return deque((known_by(body.payload, body.digest) for body in bodies), REMEMBERED)
