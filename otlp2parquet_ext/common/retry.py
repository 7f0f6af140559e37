"""When to try again after a failure: the owner of pauses that double, and of jitter.

Retry     work that fails is left alone between calls: plain numbers, each call takes `now_ms`
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
    """Return the pause after that many failures in a row, >= 1: it doubles up to a bound."""
    return min(first_ms << min(failures - 1, 16), longest_ms)


def jitter_ms(most_ms: int) -> int:
    """Return a random time from 0 up to, and without, `most_ms`.

    Writers that failed together would otherwise come back together.
    """
    # `random` would be imported for this alone.
    return int.from_bytes(os.urandom(4)) * most_ms >> 32


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
        self.failures += 1
        pause_ms = doubled_ms(self.failures, self.first_ms, self.longest_ms)
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


class Attempts:
    """The attempts of one call: counted, and each pause between two of them ends before a deadline.

    A pause is random, from half of a bound up to the bound, which doubles with each attempt.

    Args:
        first_ms: the bound of the first pause.
        longest_ms: the most that a bound becomes.
        most: attempts, the first one included; None: the deadline alone limits them.
        deadline: no pause goes on until it; None: `most` alone limits the attempts.

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
        """Return the pause before the next attempt, and count that; None when there is none.

        Args:
            first_ms: instead of the call's own, because the server asked for more patience.
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
        """Pause before the next attempt; False at once when there is none. See `pause_ms`."""
        if (pause_ms := self.pause_ms(first_ms)) is None:
            return False
        time.sleep(pause_ms / 1_000)
        return True
