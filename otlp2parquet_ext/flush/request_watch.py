"""Observes HTTP requests while a segment is stored or redelivered.

    storing thread:   holding(segment) --> map, encode --> sent() around each request
    any request:      failed() --> the loop stops holding an invocation for the flush

A failed request is retried, and may take a second to fail for good. The hold ends before, so no
invocation is billed for that second. The segment's file name records whether the process ended
during work or during a request (spool/crashes.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from otlp2parquet_ext.spool import Segment


class RequestWatch:
    """Observes all requests of a destination; see `lake.http.client.RequestObserver`."""

    def __init__(self) -> None:
        self._segments: dict[int, Segment] = {}  # by thread
        self._redelivering: set[int] = set()
        self._failed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def holding(self, segment: Segment, *, redelivering: bool = False) -> Iterator[None]:
        """Mark a segment as the possible cause of a crash; see `Segment.attempt`.

        Args:
            segment: the segment that this thread stores.
            redelivering: no invocation is held, so failed requests are not reported.
        """
        thread = get_ident()
        self._segments[thread] = segment
        if redelivering:
            self._redelivering.add(thread)
        try:
            with segment.attempt():
                yield
        finally:
            del self._segments[thread]
            self._redelivering.discard(thread)

    def sent(self) -> contextlib.AbstractContextManager[None]:
        """Unmark the segment as a cause of a crash while this thread waits for an answer."""
        segment = self._segments.get(get_ident())
        return contextlib.nullcontext() if segment is None else segment.sent()

    def failed(self) -> None:
        """Report a request that failed; on any thread."""
        if self._loop is not None and get_ident() not in self._redelivering:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._failed.set)

    async def until_done_or_failed(self, work: asyncio.Future[Any]) -> None:
        """Wait until work is done, or until a request fails meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._failed.clear()
        failed = asyncio.ensure_future(self._failed.wait())
        try:
            await asyncio.wait({work, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed.cancel()
