"""The flush side: a sealed segment in, a receipt out.

    segment bytes -> contents -> tables -> Parquet -> stored -> committed

One thread stores, another commits; they share the destination and nothing else.
Everything heavy is imported here, on first use: pyarrow with the first batch, a catalog with the
first commit. It knows nothing of the session or the spool; what it needs to know of invocations
stands in the segment.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otlp2parquet_ext.contents import Contents, read_contents
from otlp2parquet_ext.destinations import Batch, DestinationError
from otlp2parquet_ext.telemetry.values import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.destinations import Destination
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.spool import Segment
    from otlp2parquet_ext.table_maker import TableMaker


SAMPLE = Delivery(
    b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":{"level":"INFO"}}]', 1
)


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
        self._maker: TableMaker | None = None

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
        contents = read_contents(segment.read())
        change = None
        maker = self._makes()
        if as_text:
            tables = maker.make_text(contents)
        else:
            tables, change = maker.make(contents)
        safe = True
        if tables:  # else nobody wants any of it
            batch = Batch(contents.name, tables)
            safe = self._open().store(batch, commit_follows=commit_follows).safe
        if change:
            maker.stored(change)
        return Receipt(contents.damaged_bytes, safe)

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
        """Import what storing needs; what is wrong is said when a batch is stored.

        A batch of one event is made and thrown away: that loads what is loaded on first use, too.
        """
        with contextlib.suppress(DestinationError):
            self._open()
        with contextlib.suppress(Exception):
            from otlp2parquet_ext.destinations.parquet_file import encode  # noqa: PLC0415
            from otlp2parquet_ext.tables.registry import TABLES  # noqa: PLC0415

            tables, _ = self._makes().make(Contents(deliveries=[SAMPLE]))
            for name, table in tables.items():
                encode(table, TABLES[name])

    def warm_up_commit(self) -> None:
        """Import what committing needs, likewise."""
        with contextlib.suppress(DestinationError):
            self._open().warm_up()

    def _makes(self) -> TableMaker:
        with self._opening:
            if self._maker is None:
                from otlp2parquet_ext.table_maker import TableMaker  # noqa: PLC0415 - heavy

                self._maker = TableMaker(self._settings)
        return self._maker

    def _open(self) -> Destination:
        with self._opening:
            if self._destination is None:
                from otlp2parquet_ext.destinations.choose import choose  # noqa: PLC0415

                self._destination = choose(self._settings, self._environ, troubled=self._tell)
        return self._destination

    def _tell(self) -> None:
        if self.troubled is not None:
            self.troubled()
