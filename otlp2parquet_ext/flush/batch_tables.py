"""The tables of one batch, made when a destination asks for them: at once, or part by part.

    Contents --TableBuilder--> tables --batch()--> Batch

The table of a one-part batch is made once for all destinations. The parts of a large batch are made
again for each destination, because memory holds only one part at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from otlp2parquet_ext.lake.destinations.destination import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from otlp2parquet_ext.flush.lazy_tables import LazyTables
    from otlp2parquet_ext.flush.segment_contents import Contents
    from otlp2parquet_ext.flush.table_builder import BatchChange
    from otlp2parquet_ext.lake.destinations.raw_segment import RawSegment

    Tables = dict[str, pa.Table]

T = TypeVar("T")


class BatchTables:
    """The tables of one batch, made when a destination first asks for them.

    Args:
        tables: makes the tables.
        contents: the contents of the segment.
        as_text: see `FlushPipeline.store`.
        pack: packs the segment that the batch was read from.
        keeps_source: a destination forwards the original bodies. If False, they are freed as soon
            as they are columns, because the file of these needs memory, too.
    """

    def __init__(
        self,
        tables: LazyTables,
        contents: Contents,
        *,
        as_text: bool,
        keeps_source: bool,
        pack: Callable[[], RawSegment] | None = None,
    ) -> None:
        self._pack = pack
        self.contents = contents
        self._received_us = contents.received_us  # kept after the bodies are freed
        self.change: BatchChange | None = None
        self._tables = tables
        self._as_text = as_text
        self._mapped: Tables | None = None
        self._whole: Tables | None = None
        self._keeps_source = keeps_source

    def batch(self) -> Batch:
        """Return the batch for destinations; not cached, for a cycle would outlive the flush."""
        contents = self.contents
        if not self._keeps_source:
            return Batch(
                contents.name,
                self._all,
                parts=self._parts,
                received_us=self._received_us,
                segment=self._pack,
            )
        source = Source(contents.context, contents.deliveries, contents.requests)
        made = (self._all, source, self._mapped_parts, self._parts)
        return Batch(contents.name, *made, received_us=self._received_us, segment=self._pack)

    def _parts(self) -> Iterator[Tables]:
        """Make all tables, part by part; keep those of a batch that has one part."""
        if self._whole is not None:
            yield self._whole
            return
        made = self._one_by_one()
        for number, (tables, last) in enumerate(made):
            if last and not number:
                self._whole = tables
                if not self._keeps_source:
                    self.contents.deliveries, self.contents.requests = [], {}
            yield tables
            del tables

    def _one_by_one(self) -> Iterator[tuple[Tables, bool]]:
        return self._locked(self._made_in_parts())

    def _locked(self, made: Iterator[T]) -> Iterator[T]:
        """Yield what `made` yields, and hold the lock while each item is made."""
        while True:
            with self._tables.making:
                one = next(made, None)
            if one is None:
                return
            yield one
            del one  # before the next one is made

    def _made_in_parts(self) -> Iterator[tuple[Tables, bool]]:
        maker = self._tables.builder
        if self._as_text:
            yield maker.make_text(self.contents), True
        else:
            yield from maker.parts(self.contents, self._mapped, self._changed)

    def _changed(self, change: BatchChange, mapped: Tables | None) -> None:
        self.change = change
        if self._keeps_source:  # another destination may ask for it
            self._mapped = mapped

    def _mapped_parts(self) -> Iterator[Tables]:
        """Make the tables of Lambda's telemetry, part by part; keep those of a single part."""
        if self._mapped is not None:
            yield self._mapped
        else:
            yield from self._locked(self._mapped_in_parts())

    def _mapped_in_parts(self) -> Iterator[Tables]:
        maker = self._tables.builder
        if self._as_text:
            self._mapped = maker.make_text(self.contents, requests=False)
            yield self._mapped
            return
        for tables, _ in maker.mapped_parts(self.contents, self._changed):
            yield tables
            del tables

    def _all(self) -> Tables:
        """Make all tables at once."""
        from otlp2parquet_ext.flush.table_builder import united  # noqa: PLC0415 - as in `LazyTables`

        made: dict[str, list[pa.Table]] = {}
        for tables in self._parts():
            for name, table in tables.items():
                made.setdefault(name, []).append(table)
        return {name: united(parts) for name, parts in made.items()}
