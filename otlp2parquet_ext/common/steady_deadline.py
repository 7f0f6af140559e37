"""A deadline in Unix ms, kept on the monotonic clock.

    deadline_ms --once--> SteadyDeadline --left_ms()--> waits and retries
                                         --unix_ms()--> calls that take Unix ms

The wall clock may be changed while a request is retried. An hour ahead would end all retries at
once, and an hour behind would prolong them by an hour.
"""

from __future__ import annotations

import math
import time


class SteadyDeadline:
    """A deadline in Unix ms that changes of the wall clock do not move.

    Args:
        deadline_ms: Unix ms, by the wall clock as it is now.
    """

    def __init__(self, deadline_ms: float) -> None:
        self._until_ms = time.monotonic() * 1_000 + deadline_ms - time.time() * 1_000

    def left_ms(self) -> float:
        """Return the remaining ms; negative after the deadline."""
        return self._until_ms - time.monotonic() * 1_000

    def unix_ms(self, most_ms: float = math.inf) -> int:
        """Return the deadline in Unix ms, by the wall clock as it is now.

        Args:
            most_ms: longest time from now.
        """
        return int(time.time() * 1_000 + min(self.left_ms(), most_ms))
