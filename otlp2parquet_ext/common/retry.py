"""Pauses between retries: they double up to a bound, and have jitter.

Retry     pauses between calls of work that fails: plain numbers, each call takes `now_ms`
Attempts  one call tries several times and pauses in between, within a deadline
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from otlp2parquet_ext.common.steady_deadline import SteadyDeadline

FIRST_RETRY_MS = 1_000
LONGEST_RETRY_MS = 60_000


def doubled_ms(failures: int, first_ms: int, longest_ms: int) -> int:
    """Return the pause after `failures` failures in a row, >= 1: it doubles up to a bound."""
    return min(first_ms << min(failures - 1, 16), longest_ms)


def jitter_ms(most_ms: int) -> int:
    """Return a random time from 0 up to, but not including, `most_ms`.

    Without it, writers that failed together would try again together.
    """
    # Importing `random` for this alone would be too slow.
    return int.from_bytes(os.urandom(4)) * most_ms >> 32


def left_ms(until_ms: int, now_ms: int, longest_ms: int) -> int:
    """Return the ms until a moment that was at most `longest_ms` away when it was set.

    If a snapshot was restored or the clock was corrected, `now_ms` may be before the time at which
    the moment was set. Then the remaining pause is unknown, and the result is 0.
    """
    wait_ms = until_ms - now_ms
    return wait_ms if 0 < wait_ms <= longest_ms else 0


class Retry(Struct):
    """The pause after failures: it doubles, has a bound, and counts the failures."""

    first_ms: int = FIRST_RETRY_MS
    longest_ms: int = LONGEST_RETRY_MS
    failures: int = 0
    not_before_ms: int = 0

    def failed(self, now_ms: int) -> None:
        """Count a failure and double the pause."""
        self.failures += 1
        pause_ms = doubled_ms(self.failures, self.first_ms, self.longest_ms)
        self.not_before_ms = now_ms + pause_ms

    def postponed(self, now_ms: int, jitter_ms: int) -> None:
        """Count a failure that others share, and add jitter, so that not all try again at once."""
        self.failed(now_ms)
        self.not_before_ms += jitter_ms

    def wait_ms(self, now_ms: int) -> int:
        """Return the ms until the next attempt is allowed; 0 if it is allowed now."""
        return left_ms(self.not_before_ms, now_ms, self.longest_ms + self.first_ms)

    def waits(self, now_ms: int) -> bool:
        """Tell whether the pause still lasts."""
        return self.wait_ms(now_ms) > 0


class Attempts:
    """The attempts of one call, with a limit on their number and a deadline for the pauses.

    A pause is random, between half of a bound and the bound. The bound doubles with each attempt.

    Args:
        first_ms: the bound of the first pause.
        longest_ms: the largest bound.
        most: most attempts, including the first; None: only the deadline limits them.
        deadline: every pause ends before it; None: only `most` limits the attempts.

    Attributes:
        made: attempts that have begun, >= 1.
    """

    def __init__(
        self,
        first_ms: int,
        longest_ms: int,
        *,
        most: int | None = None,
        deadline: SteadyDeadline | None = None,
    ) -> None:
        self.made = 1
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._most = most
        self._deadline = deadline

    def pause_ms(self, first_ms: int | None = None) -> float | None:
        """Return the pause before the next attempt and count the attempt; None if none is left.

        Args:
            first_ms: replaces the call's own value, because the server asked for a longer pause.
        """
        bound_ms = doubled_ms(self.made, first_ms or self._first_ms, self._longest_ms)
        pause_ms = bound_ms / 2 + jitter_ms(bound_ms * 500) / 1_000
        if self.made == self._most:
            return None
        if self._deadline is not None and pause_ms >= self._deadline.left_ms():
            return None
        self.made += 1
        return pause_ms

    def again(self, first_ms: int | None = None) -> bool:
        """Pause before the next attempt; False at once if none is left. See `pause_ms`."""
        if (pause_ms := self.pause_ms(first_ms)) is None:
            return False
        time.sleep(pause_ms / 1_000)
        return True
