"""Counts the processes that ended while they stored a segment, in the name of its file.

    00000001.seg        no process ended
    00000001.2-1.seg    two ended while the segment was mapped and encoded, one while it was sent
    00000001.0-0-3.seg  SHUTDOWN ended three processes before they had stored it

The file is renamed *before* the work begins, to the name that is right if the process ends now. It
gets its old name back when the work has ended. So the count needs no write: a rename works on a
full disk, is atomic, and survives SIGKILL. Pure.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

MOST = 99
"""Largest count: a file name has two digits for it."""


class StorePhase(enum.IntEnum):
    """A phase of storing a segment."""

    SENDING = 1
    """A request is sent: the process waits for a destination and takes little memory and CPU."""

    WORKING = 2
    """The segment is read, mapped and encoded: its content decides how much memory and CPU this
    takes."""


class Crashes(NamedTuple):
    """Number of processes that ended in each phase, and at SHUTDOWN before the store ended."""

    working: int = 0
    sending: int = 0
    unfinished: int = 0

    def during(self, phase: StorePhase | None) -> Crashes:
        """Return the counts that are right if this process ends now, in that phase."""
        if phase is StorePhase.WORKING:
            return self._replace(working=min(self.working + 1, MOST))
        if phase is StorePhase.SENDING:
            return self._replace(sending=min(self.sending + 1, MOST))
        return self

    def without_end(self) -> Crashes:
        """Return the counts that are right if SHUTDOWN ends this process before the store ends."""
        return self._replace(unfinished=min(self.unfinished + 1, MOST))


def file_name(stem: str, crashes: Crashes) -> str:
    """Return the name of a segment's file."""
    if not any(crashes):
        return f"{stem}.seg"
    counts = crashes if crashes.unfinished else crashes[:2]
    return f"{stem}.{'-'.join(map(str, counts))}.seg"


def split_name(name: str) -> tuple[str, Crashes]:
    """Return the stem of a segment's file and its crashes; a name that is not ours has none."""
    whole = name.removesuffix(".seg")
    stem, dot, counts = whole.rpartition(".")
    parts = counts.split("-")
    if dot and 2 <= len(parts) <= 3 and all(map(_is_count, parts)):
        return stem, Crashes(*map(int, parts))
    return whole, Crashes()


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST))
