"""The time of the environment: its clock stops while it is frozen.

`ActiveClock` counts milliseconds awake (batch timeouts, retries); the function timeout and
deadlines are wall time and are not measured here.
"""

from __future__ import annotations

import asyncio
import time


class ActiveClock:
    """A clock of the milliseconds since its creation, without frozen time."""

    def __init__(self) -> None:
        self._origin_s = time.monotonic()
        self._frozen_since_s: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()

    def now_ms(self) -> float:
        """Milliseconds awake so far."""
        until = time.monotonic() if self._frozen_since_s is None else self._frozen_since_s
        return (until - self._origin_s) * 1000

    def freeze(self) -> None:
        """Stop the clock; no effect if it is stopped."""
        if self._frozen_since_s is None:
            self._frozen_since_s = time.monotonic()
            self._awake.clear()

    def thaw(self) -> None:
        """Start the clock again."""
        if self._frozen_since_s is not None:
            self._origin_s += time.monotonic() - self._frozen_since_s
            self._frozen_since_s = None
            self._awake.set()

    async def awake(self) -> None:
        """Return at once, or after the next thaw if frozen."""
        await self._awake.wait()

    async def sleep_ms(self, duration_ms: float) -> None:
        """Return after this many milliseconds awake."""
        end_ms = self.now_ms() + duration_ms
        while (left_ms := end_ms - self.now_ms()) > 0:
            await asyncio.sleep(left_ms / 1000)
            await self._awake.wait()
