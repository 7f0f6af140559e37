"""A wall clock that a test sets while something waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class Wall:
    """The wall clock, which can be set.

    Attributes:
        ahead_s: seconds by which it is ahead of the right time.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        really, really_ns = time.time, time.time_ns
        self.ahead_s = 0.0
        patch.setattr(time, "time", lambda: really() + self.ahead_s)
        patch.setattr(time, "time_ns", lambda: really_ns() + round(self.ahead_s * 1e9))
