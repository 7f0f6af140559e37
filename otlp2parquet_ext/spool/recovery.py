"""What dead processes left, found a part at a time and within bounds.

    Recovery.find() --thread--> Found --loop--> Spool.adopt()

Everything below the spool folder may have been put there by the function: links, pipes, files of
any apparent size, thousands of folders. So a round looks at `LISTED` names of a directory, visits
`VISITED` folders, opens `RECOVERED` segments, and reads of a segment what one of ours can have.
The rest is for the next round, when these segments are gone.
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
"""Segments taken over at a time: each is an open file, and Lambda allows 1 024."""

VISITED = 200
"""Folders that are locked and listed in a round."""

SIZED = 500
"""Folders whose segments are counted as held while they wait for another round."""


class RecoveryRound(Struct):
    """What one round found.

    Attributes:
        segments: taken over, oldest first.
        tallies: what dead processes had lost and not told, by their folders.
        known: what the bodies in the newest segment are known by.
        left_bytes: what segments take that wait for another round, as far as was looked.
        more: another round would find something.
    """

    segments: list[Segment] = field(default_factory=list)
    tallies: dict[Folder, bytes] = field(default_factory=dict)
    known: deque[Key] = field(default_factory=deque)
    left_bytes: int = 0
    more: bool = False


class Recovery:
    """Finds segments of dead processes; one round at a time, on any thread.

    Args:
        folders: of all processes.
        largest_bytes: what one segment of ours can have.
    """

    def __init__(self, folders: Folders, largest_bytes: int) -> None:
        self._folders = folders
        self._largest_bytes = largest_bytes
        self._unseen: list[Folder] | None = None  # the one that changed last comes last
        self._begun: dict[Folder, set[str]] = {}  # more segments than a round takes; those taken
        self._sizes: dict[Folder, int] = {}

    def find(self) -> RecoveryRound:
        """Take over segments, the newest folders first."""
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
            return  # nothing of ours, its owner lives, or it is not to be trusted
        if tally := self._folders.tally_of(folder):
            found.tallies[folder] = tally
        self._begun[folder] = set()
        if not self._take(folder, found):
            self._folders.release(folder)

    def _take(self, folder: Folder, found: RecoveryRound) -> bool:
        """Take over segments of a folder whose lock we have; False when there were none."""
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
        """Tell whether a folder has segments that a later round takes over."""
        return folder in self._begun

    def _size(self, folder: Folder) -> int:
        if folder not in self._sizes:
            self._sizes[folder] = sum(self._folders.segments_in(folder).values())
        return self._sizes[folder]

    def _known_of(self, segments: list[Segment]) -> deque[Key]:
        """Return what was acknowledged last: the answer may have died with the process."""
        frames = read_frames(segments[-1].read()) if segments else ()
        bodies = (f for f in frames if isinstance(f, Frame) and f.kind in BODIES)
        return deque((known_by(body.payload, body.digest) for body in bodies), REMEMBERED)
