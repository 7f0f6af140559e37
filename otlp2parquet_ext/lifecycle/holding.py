"""How long an invocation may be held, and when it ends; plain numbers.

Loaded before the first `next`: imports nothing.
"""

from __future__ import annotations

LONGEST_HOLD_MS = 1_000
"""No invocation is held longer than this for us; what is left goes on beside the next."""


def hold_until_ms(now_ms: int, deadline_ms: int) -> int:
    """Return until when (Unix ms) an invocation may be held.

    Half of what the function's own timeout leaves is kept back: on a fourteenth of a CPU we may
    run late by much more than any fixed margin, and a late `next` is a function that timed out.
    """
    return now_ms + max(0, min(LONGEST_HOLD_MS, (deadline_ms - now_ms) // 2))


def deadline_ms_in(event: bytes) -> int:
    """Return the `deadlineMs` of an event, 0 when it has none; `json` would cost a millisecond."""
    _, found, rest = event.partition(b'"deadlineMs":')
    digits = rest.lstrip()[:15].split(b",")[0].split(b"}")[0].strip()
    return int(digits) if found and digits.isdigit() else 0
