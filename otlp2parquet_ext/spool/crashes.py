"""How often a process ended while it was storing a segment, in the name of the segment's file.

    00000001.seg        no process ended
    00000001.2-1.seg    two ended while the segment was mapped and encoded, one while it was sent

The name is changed *before* the work begins, to what the next process has to know if this one
ends now, and back when the work has ended. So the count needs no write: a rename works on a full
disk, is whole or not there, and outlives SIGKILL. Pure.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

MOST = 99
"""A count goes no higher: it has two digits."""


class Phase(enum.IntEnum):
    """What is done with a segment."""

    SENDING = 1
    """A request is out: the process waits for a destination, and takes little memory or CPU."""

    WORKING = 2
    """It is read, mapped and encoded: what is in it decides what that takes."""


class Crashes(NamedTuple):
    """Processes that ended in each phase."""

    working: int = 0
    sending: int = 0

    def during(self, phase: Phase | None) -> Crashes:
        """Return what is true if this process ends now, in that phase."""
        if phase is Phase.WORKING:
            return self._replace(working=min(self.working + 1, MOST))
        if phase is Phase.SENDING:
            return self._replace(sending=min(self.sending + 1, MOST))
        return self


def file_name(stem: str, crashes: Crashes) -> str:
    """Return the name of a segment's file."""
    return f"{stem}.{crashes.working}-{crashes.sending}.seg" if any(crashes) else f"{stem}.seg"


def split_name(name: str) -> tuple[str, Crashes]:
    """Return the stem of a segment's file and its crashes; a name that is not ours has none."""
    whole = name.removesuffix(".seg")
    stem, dot, counts = whole.rpartition(".")
    working, dash, sending = counts.partition("-")
    if dot and dash and _is_count(working) and _is_count(sending):
        return stem, Crashes(int(working), int(sending))
    return whole, Crashes()


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST))
