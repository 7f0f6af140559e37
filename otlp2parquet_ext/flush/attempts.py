"""Decides how to store a segment after crashes or memory errors during earlier stores of it.

    crashes so far --handling()--> as always | last | last, as text | dropped

A batch that kills the process would also kill the next process, and block all other segments. One
crash proves little, because an environment may be killed at any moment. After three crashes in the
same segment, while others behind it were stored, it is given up. No I/O, no clock.
"""

from __future__ import annotations

import enum

TEXT_AFTER = 2
"""Crashes after which a segment is stored as text, because its mapping probably ends the process.
"""

DROPPED_AFTER = 3
"""Crashes after which a segment is dropped and counted; the last one occurred while it was stored
as text."""

SENT_PER_CRASH = 3
"""Number of crashes during a request that count as one crash. Their cause is probably the
destination or a kill from outside, not the segment."""


class Handling(enum.Enum):
    """How a segment is stored."""

    NORMAL = "stored in the order in which it came"
    LAST = "stored when no other segment waits"
    TEXT = "stored as text when no other segment waits"
    DROP = "dropped; its records are counted"
    DROP_UNREAD = "dropped without being read: a process ended while its records were counted"

    @property
    def suspicious(self) -> bool:
        """True if all other segments are stored first."""
        return self is not Handling.NORMAL

    @property
    def dropped(self) -> bool:
        """True if it is not stored any more."""
        return self in (Handling.DROP, Handling.DROP_UNREAD)


def handling(
    *, working: int, sending: int, unfinished: int = 0, memory_errors: int = 0
) -> Handling:
    """Return how a segment is stored.

    Args:
        working: number of processes that ended while it was read, mapped or encoded.
        sending: number of processes that ended during a request with it.
        unfinished: number of processes that SHUTDOWN ended before they had stored it. They never
            drop it; other segments are stored first, because it needs too long.
        memory_errors: number of times that this process had too little memory for it but survived.
            They never drop it, because more memory may be free later.
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
