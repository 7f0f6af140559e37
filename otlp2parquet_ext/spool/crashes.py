"""How often a process ended while it was storing a segment, in the name of the segment's file.

    00000001.seg        no process ended
    00000001.2-1.seg    two ended while the segment was mapped and encoded, one while it was sent
    00000001.0-0-3.seg  three ended in time, when SHUTDOWN's window was over, and had not stored it

The name is changed *before* the work begins, to what the next process has to know if this one
ends now, and back when the work has ended. So the count needs no write: a rename works on a full
disk, is whole or not there, and outlives SIGKILL. Pure.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

MOST = 99
"""A count goes no higher: it has two digits."""


class StorePhase(enum.IntEnum):
    """What is done with a segment."""

    SENDING = 1
    """A request is out: the process waits for a destination, and takes little memory or CPU."""

    WORKING = 2
    """It is read, mapped and encoded: what is in it decides what that takes."""


class Crashes(NamedTuple):
    """Processes that ended in each phase; and those that ended as told, before it was stored."""

    working: int = 0
    sending: int = 0
    unfinished: int = 0

    def during(self, phase: StorePhase | None) -> Crashes:
        """Return what is true if this process ends now, in that phase."""
        if phase is StorePhase.WORKING:
            return self._replace(working=min(self.working + 1, MOST))
        if phase is StorePhase.SENDING:
            return self._replace(sending=min(self.sending + 1, MOST))
        return self

    def without_end(self) -> Crashes:
        """Return what is true when this process ends as told, with the segment in hand."""
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
