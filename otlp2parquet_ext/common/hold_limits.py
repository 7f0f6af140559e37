"""How long an invocation may be held, and when it ends; plain numbers.

Loaded before the first `next`: imports nothing but a part of the interpreter.
"""

from __future__ import annotations

import time

LONGEST_HOLD_MS = 1_000
"""No invocation is held longer than this for us; what is left goes on beside the next."""


SHUTDOWN_WINDOW_MS = 2_000
"""Time from SHUTDOWN to SIGKILL where an external extension is registered."""

LEAST_WINDOW_MS = 500
"""A shorter window is taken for a wrong clock: Lambda never promises so little."""

LEAST_TIMEOUT_MS, LONGEST_TIMEOUT_MS = 1_000, 900_000
"""Timeouts that a function may have."""


def shutdown_window_ms(now_ms: int, deadline_ms: int) -> int:
    """Return how long SHUTDOWN leaves, from its receipt; the caller measures it monotonically.

    `deadlineMs` is another machine's time. It shortens the two seconds where that is plausible,
    as on a machine that hears of SHUTDOWN late, and never lengthens them. If we believed a clock
    that is ahead, we would exit with everything unstored; the spool outlives a SIGKILL as well as
    an exit.

    Args:
        now_ms: Unix ms of the receipt.
        deadline_ms: of the event, 0 for none.
    """
    left_ms = deadline_ms - now_ms
    return left_ms if LEAST_WINDOW_MS <= left_ms <= SHUTDOWN_WINDOW_MS else SHUTDOWN_WINDOW_MS


def invocation_left_ms(received_ms: int, deadline_ms: int) -> int:
    """Return how long an invocation may last from its receipt; the least where nobody knows.

    Args:
        received_ms: Unix ms of the receipt.
        deadline_ms: of the event; what no timeout could explain is a wrong clock.
    """
    left_ms = deadline_ms - received_ms
    return left_ms if 0 < left_ms <= LONGEST_TIMEOUT_MS else LEAST_TIMEOUT_MS


def steady_ms() -> int:
    """Return ms of the clock that nobody sets: all waits of the lifecycle are measured with it."""
    return time.monotonic_ns() // 1_000_000


def unix_ms(at_ms: int) -> int:
    """Return the Unix ms of a moment of `steady_ms`, as the wall clock is set now."""
    return time.time_ns() // 1_000_000 + at_ms - steady_ms()


def hold_until_ms(now_ms: int, deadline_ms: int) -> int:
    """Return until when an invocation may be held, by the clock of both arguments.

    Half of what the function's own timeout leaves is kept back: on a fourteenth of a CPU we may
    run late by much more than any fixed margin, and a late `next` is a function that timed out.
    """
    return now_ms + max(0, min(LONGEST_HOLD_MS, (deadline_ms - now_ms) // 2))


def deadline_ms_in(event: bytes) -> int:
    """Return the `deadlineMs` of an event, 0 when it has none; `json` would cost a millisecond."""
    _, found, rest = event.partition(b'"deadlineMs":')
    digits = rest.lstrip()[:15].split(b",")[0].split(b"}")[0].strip()
    return int(digits) if found and digits.isdigit() else 0
