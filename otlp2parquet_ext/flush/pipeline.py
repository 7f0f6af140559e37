"""The flush pipeline: a sealed segment in, a receipt out.

    segment bytes -> contents -> tables -> Parquet -> stored -> committed

One thread stores, another commits, a third one redelivers. They share the destinations and the
table builder. Heavy libraries are imported here, on first use: pyarrow with the first table, a
catalog with the first commit. A function that only forwards to a Data Tap needs neither. The
pipeline does not use the session or the spool: the segment contains all it needs of invocations.
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from otlp2parquet_ext.common.hold_limits import unix_ms
from otlp2parquet_ext.flush.batch_tables import BatchTables
from otlp2parquet_ext.flush.lazy_tables import LazyTables
from otlp2parquet_ext.flush.release_memory import give_back_code, give_back_heap
from otlp2parquet_ext.flush.request_watch import RequestWatch
from otlp2parquet_ext.flush.segment_contents import read_contents
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Need
from otlp2parquet_ext.records.telemetry.values import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.destination import Receipt
    from otlp2parquet_ext.lake.destinations.group import DestinationGroup
    from otlp2parquet_ext.lake.destinations.raw_segment import RawSegment
    from otlp2parquet_ext.spool import Segment

SAMPLE = Delivery(
    b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":{"level":"INFO"}}]', 1
)


class FlushPipeline:
    """Stores, redelivers and commits batches; each on its own thread.

    Args:
        settings: names the destinations.
        environ: variables of the process: credentials, regions, endpoints.

    Attributes:
        loaded: the libraries that make and store batches are imported.
        wanted: a batch waits, or SHUTDOWN has come, so work that a batch does not need is skipped.
        ends: the process ends soon, so no memory has to be released.
        watch: observes each request.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.loaded = self.wanted = self.ends = self._tidy = False
        self.watch = RequestWatch()
        self._settings = settings
        self._environ = environ
        self._destinations = _Destinations(settings, environ, self.watch)
        self._tables = LazyTables(settings)

    def store(
        self,
        segment: Segment,
        *,
        commit_follows: bool = False,
        as_text: bool = False,
        behind: frozenset[str] = frozenset(),
    ) -> Receipt:
        """Make one segment durable; idempotent.

        Args:
            segment: sealed; its end may be torn.
            commit_follows: see `Destination.store`.
            as_text: store each body as one row of text, because mapping it broke our own code.
            behind: destinations that get no request; see `DestinationGroup.store`.

        Raises:
            DestinationError: it is not durable.
        """
        self._import()
        try:
            with self.watch.holding(segment):
                batch = self._begin(segment, as_text=as_text)
                receipt = self._open().store(
                    batch.batch(), commit_follows=commit_follows, behind=behind
                )
                self.loaded = True
                return self._receipt(batch, receipt)
        finally:
            give_back_heap()

    def redeliver(self, segment: Segment, to: tuple[str, ...], *, as_text: bool = False) -> Receipt:
        """Send a segment to the destinations that lack it; idempotent.

        Raises:
            DestinationError: all of them still lack it.
        """
        with self.watch.holding(segment, redelivering=True):
            batch = self._begin(segment, as_text=as_text)
            return self._receipt(batch, self._open().redeliver(batch.batch(), to))

    def forget(self, batch: str) -> None:
        """Note that a batch will not be redelivered."""
        self._tables.unpin(batch)

    def _begin(self, segment: Segment, *, as_text: bool) -> BatchTables:
        contents = read_contents(segment.read())
        contents.damaged_bytes += segment.beyond_bytes
        return BatchTables(
            self._tables,
            contents,
            as_text=as_text,
            keeps_source=Need.SOURCE in self._open().needs,
            pack=partial(self._pack, segment, contents.label),
        )

    def _pack(self, segment: Segment, label: tuple[int, str, str]) -> RawSegment:
        from otlp2parquet_ext.lake.destinations.raw_segment import RawSegment, SegmentName  # noqa: PLC0415 - seldom
        from otlp2parquet_ext.spool.raw_segments import RowSettings, pack  # noqa: PLC0415

        own = self._settings
        settings = RowSettings(tuple(sorted(own.signals)), own.exclude, own.record_time_ms)
        return RawSegment(SegmentName(*label), pack(segment.read(), settings))

    def _receipt(self, batch: BatchTables, receipt: Receipt) -> Receipt:
        if batch.change is not None:
            self._tables.advance(batch.change, undelivered=bool(receipt.undelivered))
        contents = batch.contents
        return replace(receipt, batch=contents.name, damaged_bytes=contents.damaged_bytes)

    def commit(self, deadline_ms: int) -> int:
        """Make the stored files visible; return how many.

        Args:
            deadline_ms: ms of `steady_ms`.

        Raises:
            DestinationError: no file became visible; the stored files remain.
        """
        return self._open().commit(unix_ms(deadline_ms))

    def describe(self) -> None:
        """Make the stored files of a failed commit safe.

        Raises:
            DestinationError: they are not safe yet.
        """
        self._open().describe()

    def warm_up_store(self) -> None:
        """Import the libraries of a store; the store reports a wrong destination."""
        self._import()
        self.loaded = True

    def _import(self) -> None:
        with contextlib.suppress(DestinationError):
            if Need.TABLES in self._open().needs:
                self._tables.load()

    def rehearse(self) -> None:
        """Import the libraries of a store, then make and discard a batch of one event.

        Some modules are loaded only when the libraries are first used, so the batch loads them now.
        A real batch that waits goes first.
        """
        self.warm_up_store()
        with contextlib.suppress(Exception):
            if self.wanted or Need.TABLES not in self._open().needs:
                return
            from otlp2parquet_ext.lake.destinations.parquet_file import encode  # noqa: PLC0415 - heavy
            from otlp2parquet_ext.records.tables.registry import TABLES  # noqa: PLC0415

            for name, table in self._tables.sample(SAMPLE).items():
                encode(table, TABLES[name])
        give_back_heap()

    def tidy(self) -> None:
        """Release the memory that the imports used, once; slow on a small share of a CPU."""
        if self.loaded and not (self._tidy or self.ends):
            self._tidy = True
            give_back_code()

    def warm_up_commit(self) -> None:
        """Import the libraries of a commit; the commit reports a wrong destination."""
        with contextlib.suppress(DestinationError):
            self._open().warm_up()

    def open_anew(self) -> None:
        """Make later work reopen the destinations, because a thread may hold the old ones."""
        self._destinations = _Destinations(self._settings, self._environ, self.watch)

    def _open(self) -> DestinationGroup:
        return self._destinations.open()


class _Destinations:
    """The destinations, opened once by the first thread that needs them."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], watch: RequestWatch) -> None:
        self._choice = (settings, environ, watch)
        self._opened: DestinationGroup | None = None
        self._opening = threading.Lock()

    def open(self) -> DestinationGroup:
        with self._opening:
            if self._opened is None:
                from otlp2parquet_ext.lake.destinations.choose import choose  # noqa: PLC0415

                settings, environ, watch = self._choice
                self._opened = choose(settings, environ, watch=watch)
        return self._opened
