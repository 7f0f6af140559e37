"""Waiting for a condition over shared state, without polling: each change notifies the waiters."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Changes:
    """Wakes all waiters after each change of the shared state."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Make every waiter check its condition again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], T | None], limit_s: float) -> T | None:
        """Return the condition's first value that is not None; None when the limit has passed."""
        end = time.monotonic() + limit_s
        while (value := condition()) is None:
            left = end - time.monotonic()
            if left <= 0:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait({waiter}, timeout=left)
            finally:
                self._waiters.discard(waiter)
        return value
