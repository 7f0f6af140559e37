"""Which thread has which segment in hand, so that a request knows whose it is.

store(segment) --holding()--> mapped, encoded --sent()--> a request is out --> answered
"""

from __future__ import annotations

import contextlib
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.spool import Segment


class InHand:
    """Segments by the threads that store or pass them on."""

    def __init__(self) -> None:
        self._segments: dict[int, Segment] = {}

    @contextlib.contextmanager
    def holding(self, segment: Segment) -> Iterator[None]:
        """Let a segment count as the cause if the process ends now; see `Segment.in_hand`."""
        thread = get_ident()
        self._segments[thread] = segment
        try:
            with segment.in_hand():
                yield
        finally:
            del self._segments[thread]

    def sent(self) -> contextlib.AbstractContextManager[None]:
        """Let it not, while this thread waits for an answer; see `Segment.sent`."""
        segment = self._segments.get(get_ident())
        return contextlib.nullcontext() if segment is None else segment.sent()
