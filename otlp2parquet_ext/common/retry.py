"""When to try again after a failure: a delay that doubles, within a bound.

No I/O, no clock: each call takes `now_ms`.
"""

from __future__ import annotations

from msgspec import Struct

FIRST_RETRY_MS = 1_000


LONGEST_RETRY_MS = 60_000


def left_ms(until_ms: int, now_ms: int, longest_ms: int) -> int:
    """Return the ms until a moment that was at most `longest_ms` away when it was set.

    A restored snapshot, or a corrected clock, may be earlier than when it was set: then nothing is
    known but that.
    """
    wait_ms = until_ms - now_ms
    return wait_ms if 0 < wait_ms <= longest_ms else 0


class Retry(Struct):
    """How long something that fails is left alone: doubling, bounded, counted."""

    first_ms: int = FIRST_RETRY_MS
    longest_ms: int = LONGEST_RETRY_MS
    failures: int = 0
    not_before_ms: int = 0

    def failed(self, now_ms: int) -> None:
        """Count a failure and wait longer than after the one before."""
        pause_ms = min(self.first_ms * 2 ** min(self.failures, 16), self.longest_ms)
        self.failures += 1
        self.not_before_ms = now_ms + pause_ms

    def postponed(self, now_ms: int, jitter_ms: int) -> None:
        """Count a failure that others share, and wait out of step with them."""
        self.failed(now_ms)
        self.not_before_ms += jitter_ms

    def wait_ms(self, now_ms: int) -> int:
        """Return for how long nothing is tried; 0 when it may be now."""
        return left_ms(self.not_before_ms, now_ms, self.longest_ms + self.first_ms)

    def waits(self, now_ms: int) -> bool:
        """Tell whether what failed is being left alone."""
        return self.wait_ms(now_ms) > 0
