"""The flush side: a sealed segment in, a receipt out.

    segment bytes -> contents -> tables -> Parquet -> stored -> committed

One thread stores, another commits; they share the destination and nothing else.
Everything heavy is imported here, on first use: pyarrow with the first batch, a catalog with the
first commit. It knows nothing of the session or the spool; what it needs to know of invocations
stands in the segment.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.contents import read_contents
from otlp2parquet_ext.destinations import Batch, DestinationError
from otlp2parquet_ext.table_maker import TableMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.destinations import Destination
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.spool import Segment


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one batch.

    Attributes:
        damaged_bytes: bytes of the segment that were no frames any more.
        safe: the segment may be discarded; else it is kept until a commit or `describe`.
    """

    damaged_bytes: int
    safe: bool


class FlushSide:
    """Stores and commits batches; `store` has one thread, `commit` another.

    Args:
        settings: names the destination.
        environ: variables of the process: credentials, regions, endpoints.

    Attributes:
        troubled: told of each request that failed, whether it is tried again or not; on the
            thread that sent it.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.troubled: Callable[[], None] | None = None
        self._settings = settings
        self._environ = environ
        self._destination: Destination | None = None
        self._opening = threading.Lock()
        self._maker = TableMaker(settings)

    def store(
        self, segment: Segment, *, commit_follows: bool = False, as_text: bool = False
    ) -> Receipt:
        """Make one segment durable; repeating it changes nothing.

        Args:
            segment: sealed; its end may be torn.
            commit_follows: see `Destination.store`.
            as_text: mapping its events broke our own code: keep each body as one row of text.

        Raises:
            DestinationError: it is not durable.
        """
        try:
            return self._store(segment, commit_follows=commit_follows, as_text=as_text)
        finally:
            _give_memory_back()

    def _store(self, segment: Segment, *, commit_follows: bool, as_text: bool) -> Receipt:
        contents = read_contents(segment.read())
        name, damaged_bytes = contents.name, contents.damaged_bytes
        change = None
        if as_text:
            tables = self._maker.make_text(contents)
        else:
            tables, change = self._maker.make(contents)
        del contents  # its bytes are columns now, and a file of those is to come
        safe = True
        if tables:  # else nobody wants any of it
            batch = Batch(name, tables)
            safe = self._open().store(batch, commit_follows=commit_follows).safe
        if change:
            self._maker.stored(change)
        return Receipt(damaged_bytes, safe)

    def commit(self, deadline_ms: int) -> int:
        """Make visible what is stored; return how many files became so.

        Raises:
            DestinationError: nothing became visible; what is stored stays stored.
        """
        return self._open().commit(deadline_ms)

    def describe(self) -> None:
        """Make safe what was stored for a commit that did not come about.

        Raises:
            DestinationError: it is not safe yet.
        """
        self._open().describe()

    def warm_up_store(self) -> None:
        """Import what storing needs; what is wrong is said when a batch is stored."""
        with contextlib.suppress(DestinationError):
            self._open()

    def warm_up_commit(self) -> None:
        """Import what committing needs, likewise."""
        with contextlib.suppress(DestinationError):
            self._open().warm_up()

    def _open(self) -> Destination:
        with self._opening:
            if self._destination is None:
                from otlp2parquet_ext.destinations.choose import choose  # noqa: PLC0415

                self._destination = choose(self._settings, self._environ, troubled=self._tell)
        return self._destination

    def _tell(self) -> None:
        if self.troubled is not None:
            self.troubled()


def _give_memory_back() -> None:
    """Return to the system what the allocator keeps of a batch: the function needs it more.

    Where Arrow's pool is the system's, as in the layer, this is `malloc_trim`, for all of us.
    """
    if "pyarrow" in sys.modules:
        import pyarrow as pa  # noqa: PLC0415 - it is there

        pa.default_memory_pool().release_unused()
