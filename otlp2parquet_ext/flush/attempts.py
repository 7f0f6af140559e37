"""How a segment is stored after processes ended, or memory was short, while it was being stored.

    crashes so far --handling()--> as always | last | last, as text | dropped

A batch that kills the process would kill the next one, too, and stay in front of everything else.
One crash says little: an environment may be killed at any moment. Three in the same segment, while
others behind it were stored, say that it will never be stored. No I/O, no clock.
"""

from __future__ import annotations

import enum

TEXT_AFTER = 2
"""Crashes after which a segment is stored as text: mapping it seems to be what ends processes."""

DROPPED_AFTER = 3
"""Crashes after which a segment is dropped and counted: the last one while it was kept as text."""

SENT_PER_CRASH = 3
"""Processes that ended while a request was out, for each that counts: the destination or a kill
from outside is the likelier cause, but not for ever."""


class Handling(enum.Enum):
    """What is done with a segment when its turn comes."""

    NORMAL = "stored in the order in which it came"
    LAST = "stored when no other segment waits"
    TEXT = "stored as text when no other segment waits"
    DROP = "dropped; its records are counted"
    DROP_UNREAD = "dropped without being read: a process ended while its records were counted"

    @property
    def suspicious(self) -> bool:
        """True when other segments go ahead of it."""
        return self is not Handling.NORMAL

    @property
    def dropped(self) -> bool:
        """True when it is not stored any more."""
        return self in (Handling.DROP, Handling.DROP_UNREAD)


def handling(
    *, working: int, sending: int, unfinished: int = 0, memory_errors: int = 0
) -> Handling:
    """Return what is done with a segment.

    Args:
        working: processes that ended while it was read, mapped or encoded.
        sending: processes that ended while a request with it was out.
        unfinished: processes that SHUTDOWN ended before they had stored it. They cost it nothing
            but its place: others are stored while it takes longer than there is time.
        memory_errors: times that this process had too little memory for it, and lived on. They
            never drop it: another time there may be more.
    """
    crashes = working + sending // SENT_PER_CRASH
    if crashes > DROPPED_AFTER:
        return Handling.DROP_UNREAD
    if crashes == DROPPED_AFTER:
        return Handling.DROP
    if max(crashes, memory_errors) >= TEXT_AFTER:
        return Handling.TEXT
    suspicious = working or sending or unfinished or memory_errors
    return Handling.LAST if suspicious else Handling.NORMAL
