"""The table builder, imported when the first batch needs tables, and its lock.

Two threads make tables, one at a time, because the builder keeps state from batch to batch.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from otlp2parquet_ext.flush.segment_contents import Contents

if TYPE_CHECKING:
    import pyarrow as pa

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.flush.table_builder import BatchChange, TableBuilder
    from otlp2parquet_ext.records.telemetry.values import Delivery


class LazyTables:
    """One table builder for all batches of a process.

    Args:
        settings: see `TableBuilder`.

    Attributes:
        making: held by the thread that makes tables.
    """

    def __init__(self, settings: Settings) -> None:
        self.making = threading.Lock()
        self._settings = settings
        self._builder: TableBuilder | None = None

    @property
    def builder(self) -> TableBuilder:
        """The builder; `making` is held."""
        if self._builder is None:
            # It imports pyarrow, which takes more memory than all other code.
            from otlp2parquet_ext.flush.table_builder import TableBuilder  # noqa: PLC0415

            self._builder = TableBuilder(self._settings)
        return self._builder

    def load(self) -> None:
        """Import the table builder."""
        with self.making:
            _ = self.builder

    def sample(self, delivery: Delivery) -> dict[str, pa.Table]:
        """Return the tables of one delivery, without changing the builder's state."""
        with self.making:
            return self.builder.make(Contents(deliveries=[delivery]))[0]

    def advance(self, change: BatchChange, *, undelivered: bool) -> None:
        """Set the builder's state to that after a stored batch.

        Args:
            change: the state before and after the batch.
            undelivered: some destinations lack the batch, so the same tables will be made again.
        """
        with self.making:
            self.builder.advance(change)
            if undelivered:
                self.builder.pin(change)
            else:
                self.builder.unpin(change.batch)

    def unpin(self, batch: str) -> None:
        """Note that a batch will not be made again; no lock, which a batch may hold for long."""
        if self._builder is not None:
            self._builder.unpin(batch)
