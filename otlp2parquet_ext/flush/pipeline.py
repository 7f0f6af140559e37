"""The flush side: a sealed segment in, a receipt out.

    segment bytes -> contents -> tables -> Parquet -> stored -> committed

One thread stores, another commits, a third one settles what destinations in trouble are owed; they
share the destinations, and what tables are made with.
Everything heavy is imported here, on first use: pyarrow with the first table, a catalog with the
first commit; who only forwards to a Data Tap needs neither. It knows nothing of the session or the
spool; what it needs to know of invocations stands in the segment.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from otlp2parquet_ext.flush.batch_tables import BatchTables
from otlp2parquet_ext.flush.in_hand import InHand
from otlp2parquet_ext.flush.release_memory import give_back_code, give_back_heap
from otlp2parquet_ext.flush.segment_contents import Contents, read_contents
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.records.telemetry.values import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.table_builder import TableBuilder
    from otlp2parquet_ext.lake.destinations.destination import Destination, Lost, Stored
    from otlp2parquet_ext.spool import Segment

SAMPLE = Delivery(
    b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":{"level":"INFO"}}]', 1
)


class Receipt(Struct, frozen=True):
    """What became of one batch.

    Attributes:
        damaged_bytes: bytes of the segment that were no frames any more.
        safe: the segment may be discarded; else it is kept until a commit or `describe`.
        batch: its name.
        owed: destinations that lack it; the segment is kept until `settle` says that none does.
        lost, untold: what is refused for ever; whether a report of losses is, by all of them.
    """

    damaged_bytes: int
    safe: bool
    batch: str = ""
    owed: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    untold: bool = False


class FlushPipeline:
    """Stores and commits batches; `store` has one thread, `commit` another.

    Args:
        settings: names the destination.
        environ: variables of the process: credentials, regions, endpoints.

    Attributes:
        loaded: what makes and stores batches is imported.
        wanted: a batch waits, or the end is near: nothing is done that it can do without.
        ends: there is no later for which memory would have to be given back.
        troubled: called on the thread of each request that failed, tried again or not.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.loaded = self.wanted = self.ends = self._tidy = False
        self.troubled: Callable[[], None] | None = None
        self._settings = settings
        self._environ = environ
        self._destination: Destination | None = None
        self._opening = threading.Lock()
        self._making = threading.Lock()
        self._made_by: TableBuilder | None = None
        self._settling = threading.local()  # an ident would be another thread's after its end
        self._in_hand = InHand()

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
        self._import()
        try:
            with self._in_hand.holding(segment):
                return self._store(segment, commit_follows=commit_follows, as_text=as_text)
        finally:
            give_back_heap()

    def _store(self, segment: Segment, *, commit_follows: bool, as_text: bool) -> Receipt:
        making = self._begin(segment, as_text=as_text)
        stored = self._open().store(making.batch(), commit_follows=commit_follows)
        self.loaded = True
        return self._receipt(making, stored)

    def settle(self, segment: Segment, *, as_text: bool = False) -> Receipt:
        """Pass a segment to the destinations it is owed to; repeating it changes nothing.

        Raises:
            DestinationError: none of them has it now.
        """
        from otlp2parquet_ext.lake.destinations.several import Several  # noqa: PLC0415 - seldom

        destination = self._open()
        assert isinstance(destination, Several)  # nobody else owes
        self._settling.under_way = True
        try:
            with self._in_hand.holding(segment):
                making = self._begin(segment, as_text=as_text)
                return self._receipt(making, destination.settle(making.batch()))
        finally:
            self._settling.under_way = False

    def forget(self, batch: str) -> None:
        """Note that an owed batch is gone."""
        from otlp2parquet_ext.lake.destinations.several import Several  # noqa: PLC0415 - seldom

        destination = self._open()
        assert isinstance(destination, Several)
        destination.forget(batch)
        if self._made_by is not None:
            self._made_by.forget(batch)  # without the lock, which is held for as long as a batch is

    def _begin(self, segment: Segment, *, as_text: bool) -> BatchTables:
        from otlp2parquet_ext.lake.destinations.destination_list import forwards  # noqa: PLC0415 - as choose.py

        contents = read_contents(segment.read())
        contents.damaged_bytes += segment.beyond_bytes
        keeps = forwards(self._settings.destination)
        return BatchTables(
            lambda: self._maker, self._making, contents, as_text=as_text, keeps_source=keeps
        )

    def _receipt(self, making: BatchTables, stored: Stored) -> Receipt:
        contents = making.contents
        if making.change is not None:
            with self._making:
                self._maker.stored(making.change)
                self._maker.owed(making.change, owed=bool(stored.owed))
        rest = (stored.owed, stored.lost, stored.untold)
        return Receipt(contents.damaged_bytes, stored.safe, contents.name, *rest)

    @property
    def _maker(self) -> TableBuilder:
        if self._made_by is None:
            # It imports pyarrow, which takes more memory than all else.
            from otlp2parquet_ext.flush.table_builder import TableBuilder  # noqa: PLC0415

            self._made_by = TableBuilder(self._settings)
        return self._made_by

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
        self._import()
        self.loaded = True

    def _import(self) -> None:
        with contextlib.suppress(DestinationError):
            self._open()
        if not self._only_taps():
            with self._making:
                _ = self._maker

    def rehearse(self) -> None:
        """Do so, and make and drop a batch of one event: it loads what first use loads.

        Unless a real one waits for it by then.
        """
        self.warm_up_store()
        if self.wanted or self._only_taps():
            return
        with contextlib.suppress(Exception):
            from otlp2parquet_ext.lake.destinations.parquet_file import encode  # noqa: PLC0415 - heavy
            from otlp2parquet_ext.records.tables.registry import TABLES  # noqa: PLC0415

            with self._making:
                tables, _ = self._maker.make(Contents(deliveries=[SAMPLE]))
            for name, table in tables.items():
                encode(table, TABLES[name])
        give_back_heap()

    def tidy(self) -> None:
        """Give back what loading has left, once; on a small share of a CPU it takes a while."""
        if self.loaded and not (self._tidy or self.ends):
            self._tidy = True
            give_back_code()

    def _only_taps(self) -> bool:
        from otlp2parquet_ext.lake.destinations.destination_list import only_taps  # noqa: PLC0415 - as choose.py

        return only_taps(self._settings.destination)

    def warm_up_commit(self) -> None:
        """Import what committing needs, likewise."""
        with contextlib.suppress(DestinationError):
            self._open().warm_up()

    def _open(self) -> Destination:
        with self._opening:
            if self._destination is None:
                from otlp2parquet_ext.lake.destinations.choose import choose  # noqa: PLC0415

                self._destination = choose(
                    self._settings, self._environ, troubled=self._tell, sent=self._in_hand.sent
                )
        return self._destination

    def _tell(self) -> None:
        # Nobody waits for what is settled.
        if self.troubled is not None and not getattr(self._settling, "under_way", False):
            self.troubled()
