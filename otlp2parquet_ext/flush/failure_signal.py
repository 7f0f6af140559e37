"""The first sign that a destination is in trouble, from a worker's thread to the loop.

    request refused, cut off, 5xx --ring()--> whoever waits for a flush waits no longer

A request that failed is tried again, and may take a second to fail for good. Nobody is billed for
that second.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class FailureSignal:
    """One for all that waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Tell of a request that failed; on any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._rung.set)

    async def wait_for(self, work: asyncio.Future[Any]) -> None:
        """Wait until some work is done, but not beyond a sign that comes meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._rung.clear()
        rung = asyncio.ensure_future(self._rung.wait())
        try:
            await asyncio.wait({work, rung}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
