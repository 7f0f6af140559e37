"""`file:///…`: plain Parquet files in hive folders, visible as soon as they are stored.

    logs/<service>/year=YYYY/month=MM/day=DD/hour=HH/<first µs>-<batch name>.parquet

Rows go to the hour of their own time, so a batch across an hour boundary becomes two files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations import DestinationError, Stored
from otlp2parquet_ext.destinations.parquet_file import encode
from otlp2parquet_ext.destinations.partition import HOUR_US, split_by_time, timestamps_us
from otlp2parquet_ext.destinations.refit import fitted
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.tables.columns import named
from otlp2parquet_ext.tables.logs import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from otlp2parquet_ext.destinations import Batch
    from otlp2parquet_ext.storage import Storage

SERVICE_UNSAFE = str.maketrans(dict.fromkeys('/\\ :*?"<>|\x7f' + "".join(map(chr, range(32))), "_"))
SERVICE_LENGTH = 60  # characters; a folder's name may have 255 bytes


class Hive:
    """A folder or bucket of Parquet files.

    Args:
        storage: the place below which `logs/` lies.
        lower_case: of the columns' names.
    """

    def __init__(self, storage: Storage, *, lower_case: bool = False) -> None:
        self._storage = storage
        self._columns = named(COLUMNS, lower_case=lower_case)

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Stored:
        """See `Destination.store`."""
        del commit_follows
        files = size_bytes = 0
        for hour, rows in split_by_time(batch.logs, HOUR_US):
            data = encode(fitted(rows, self._columns), self._columns).data
            try:
                put = self._storage.put(file_path("logs", rows, hour, batch.name), data)
            except StorageError as error:
                raise DestinationError(str(error)) from error
            files, size_bytes = files + put.new, size_bytes + put.new * put.size_bytes
        return Stored(files, size_bytes)

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: a stored file is visible already."""
        del deadline_ms
        return 0

    def describe(self) -> None:
        """See `Destination.describe`: what is stored is safe."""

    def warm_up(self) -> None:
        """See `Destination.warm_up`: there is nothing to open."""

    def close(self) -> None:
        """See `Destination.close`."""


def file_path(signal: str, rows: pa.Table, hour: int, batch_name: str) -> str:
    """Return where the rows of one hour go.

    Args:
        signal: folder of the signal, for example `logs`.
        rows: n > 0 rows of one service.
        hour: hours since 1970.
        batch_name: the batch they come from.
    """
    service = rows.column("ServiceName")[0].as_py().translate(SERVICE_UNSAFE)[:SERVICE_LENGTH]
    service = service or "unknown-service"
    hive = time.strftime("year=%Y/month=%m/day=%d/hour=%H", time.gmtime(hour * 3_600))
    first_us = min(timestamps_us(rows))
    # `.` and `..` would leave the folder.
    folder = service if service.strip(".") else "_" * len(service)
    return f"{signal}/{folder}/{hive}/{first_us}-{batch_name}.parquet"
