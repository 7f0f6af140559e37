"""An Iceberg table: files first, snapshots second.

    store:  data/Timestamp_day=YYYY-MM-DD/<batch>.parquet, then inbox/<batch>-<day>.json
    commit: everything in the inbox --one snapshot--> the table, then the inbox is emptied

From the moment the descriptor lies in the inbox the rows cannot be lost, only be seen later, by
whoever commits next: this process, its successor, or another environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations import DestinationError, Stored
from otlp2parquet_ext.destinations.parquet_file import encode, read_footer
from otlp2parquet_ext.destinations.partition import DAY_US, split_by_time
from otlp2parquet_ext.iceberg import CommitError, DataFile
from otlp2parquet_ext.iceberg.bounds import statistics
from otlp2parquet_ext.iceberg.inbox import MISSING, Inbox
from otlp2parquet_ext.say import say
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.destinations import Batch
    from otlp2parquet_ext.iceberg import CommitTable
    from otlp2parquet_ext.storage import Put, Storage

FILES_PER_COMMIT = 100
"""The table remembers the names of 4 096 files: forty commits of this size."""


class Lake:
    """The logs table of one namespace.

    Args:
        storage: the table's location.
        open_table: opens the table in its catalog; called with the first commit.
    """

    def __init__(self, storage: Storage, open_table: Callable[[], CommitTable]) -> None:
        self._storage = storage
        self._open_table = open_table
        self._table: CommitTable | None = None
        self._inbox = Inbox(storage)

    def store(self, batch: Batch) -> Stored:
        """See `Destination.store`."""
        files = size_bytes = 0
        try:
            for day, rows in split_by_time(batch.logs, DAY_US):
                put = self._store_day(batch.name, day, rows)
                files, size_bytes = files + put.new, size_bytes + put.new * put.size_bytes
        except StorageError as error:
            raise DestinationError(str(error)) from error
        return Stored(files, size_bytes)

    def _store_day(self, batch_name: str, day: int, rows: pa.Table) -> Put:
        """Store the rows of one day, and their descriptor."""
        date = time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))
        path = f"data/Timestamp_day={date}/{batch_name}.parquet"
        data, footer = encode(rows, COLUMNS)
        put = self._storage.put(path, data)
        if not put.new:  # an earlier attempt may have known less, and written other bytes
            footer = read_footer(self._storage.get(path))
        self._inbox.put(
            DataFile(
                name=f"{batch_name}-{date}",
                path=self._storage.url(path),
                day=day,
                rows=footer.num_rows,
                size_bytes=put.size_bytes,
                statistics=statistics(footer, COLUMNS),
            )
        )
        return put

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: takes everything in the inbox, whoever put it there."""
        committed = 0
        try:
            while files := self._inbox.take(FILES_PER_COMMIT):
                files = self._without_missing(files)
                if files:
                    self._open().commit(files, deadline_ms)
                    self._inbox.remove(files)
                    committed += len(files)
        except (StorageError, CommitError) as error:
            raise DestinationError(str(error)) from error
        return committed

    def _without_missing(self, files: Sequence[DataFile]) -> list[DataFile]:
        """Set aside descriptors whose files are not there; return the others."""
        there = [file for file in files if self._inbox.describes(file)]
        missing = [file for file in files if file not in there]
        if missing:
            self._inbox.set_aside(missing)
            say(
                "error",
                f"{len(missing)} files of the inbox are not where they were stored, or not as "
                f"long, for example {missing[0].path}; their descriptors are in {MISSING}/",
            )
        return there

    def warm_up(self) -> None:
        """See `Destination.warm_up`."""
        self._open()

    def _open(self) -> CommitTable:
        if self._table is None:
            self._table = self._open_table()
        return self._table

    def close(self) -> None:
        """See `Destination.close`."""
        if self._table is not None:
            self._table.close()
