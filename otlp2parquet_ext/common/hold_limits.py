"""Time limits of holds, of invocations and of SHUTDOWN; plain numbers.

This module is loaded before the first `next`, so it imports only a built-in module.
"""

from __future__ import annotations

import time

LONGEST_HOLD_MS = 1_000
"""Longest hold of an invocation. A flush that needs longer continues during the next invocation."""


SHUTDOWN_WINDOW_MS = 2_000
"""Time from SHUTDOWN to SIGKILL if an external extension is registered."""

LEAST_WINDOW_MS = 500
"""Shortest plausible window. A shorter one means a wrong clock, because Lambda never promises so
little."""

LEAST_TIMEOUT_MS, LONGEST_TIMEOUT_MS = 1_000, 900_000
"""Shortest and longest timeout that a function may have."""


def shutdown_window_ms(now_ms: int, deadline_ms: int) -> int:
    """Return the ms from the receipt of SHUTDOWN to SIGKILL, to be measured on a monotonic clock.

    `deadlineMs` comes from the clock of another machine. It may shorten the two seconds, if the
    result is plausible, for example after a late receipt of SHUTDOWN. It never lengthens them. If
    the clock was ahead and we trusted it, we would exit before anything is stored. To stay too long
    is harmless, because the spool survives a SIGKILL, too.

    Args:
        now_ms: Unix ms of the receipt.
        deadline_ms: `deadlineMs` of the event; 0 for none.
    """
    left_ms = deadline_ms - now_ms
    return left_ms if LEAST_WINDOW_MS <= left_ms <= SHUTDOWN_WINDOW_MS else SHUTDOWN_WINDOW_MS


def invocation_left_ms(received_ms: int, deadline_ms: int) -> int:
    """Return the ms an invocation may last from its receipt; the least timeout if unknown.

    Args:
        received_ms: Unix ms of the receipt.
        deadline_ms: `deadlineMs` of the event. If no possible timeout explains it, a clock is
            wrong, and it is ignored.
    """
    left_ms = deadline_ms - received_ms
    return left_ms if 0 < left_ms <= LONGEST_TIMEOUT_MS else LEAST_TIMEOUT_MS


def steady_ms() -> int:
    """Return ms of the monotonic clock, which measures all waits of the lifecycle."""
    return time.monotonic_ns() // 1_000_000


def unix_ms(at_ms: int) -> int:
    """Convert a time of `steady_ms` to Unix ms, by the wall clock as it is now."""
    return time.time_ns() // 1_000_000 + at_ms - steady_ms()


def hold_until_ms(now_ms: int, deadline_ms: int) -> int:
    """Return the time until which an invocation may be held, by the clock of both arguments.

    A hold takes at most half of the time left until the function's timeout. On a fourteenth of a
    CPU we may be late by more than any fixed margin, and after a late `next` the function times
    out.
    """
    return now_ms + max(0, min(LONGEST_HOLD_MS, (deadline_ms - now_ms) // 2))


def deadline_ms_in(event: bytes) -> int:
    """Return the `deadlineMs` of an event, 0 if it has none; `json` takes 1 ms to import."""
    _, found, rest = event.partition(b'"deadlineMs":')
    digits = rest.lstrip()[:15].split(b",")[0].split(b"}")[0].strip()
    return int(digits) if found and digits.isdigit() else 0
