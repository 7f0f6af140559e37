"""`file:///…`: plain Parquet files in hive folders, visible as soon as they are stored.

    logs/<service>/year=YYYY/month=MM/day=DD/hour=HH/<first µs>-<batch name>.parquet
    traces/…, metrics/gauge/…, metrics/sum/…, …

Rows go to their own service and the hour of their own time, so a batch across an hour boundary
becomes two files. A service's folder is its name, escaped: `folders.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations import DestinationError, Stored
from otlp2parquet_ext.destinations.folders import folder_of
from otlp2parquet_ext.destinations.parquet_file import encode
from otlp2parquet_ext.destinations.partition import HOUR_US, split, split_by_time, timestamps_us
from otlp2parquet_ext.destinations.refit import fitted
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.tables.columns import named
from otlp2parquet_ext.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from otlp2parquet_ext.destinations import Batch
    from otlp2parquet_ext.storage import Storage


class Hive:
    """A folder or bucket of Parquet files.

    Args:
        storage: the place below which `logs/` lies.
        lower_case: of the columns' names.
    """

    def __init__(self, storage: Storage, *, lower_case: bool = False) -> None:
        self._storage = storage
        self._lower_case = lower_case

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Stored:
        """See `Destination.store`."""
        del commit_follows
        files = size_bytes = 0
        for name, table in batch.tables.items():
            columns = named(TABLES[name], lower_case=self._lower_case)
            for folder, rows in split_by_folder(name, table):
                data = encode(fitted(rows, columns), columns).data
                path = f"{folder}/{min(timestamps_us(rows))}-{batch.name}.parquet"
                try:
                    put = self._storage.put(path, data)
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


def split_by_folder(name: str, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the folders rows of a table go to, each with its rows.

    Args:
        name: of the table, one of `TABLES`.
        table: its rows.
    """
    nobody = "unknown" if name.startswith("metrics_") else "unknown-service"
    services = table.column("ServiceName").to_pylist()
    folders = {service: folder_of(service or nobody) for service in set(services)}
    for service, rows in split(table, [folders[service] for service in services]):
        for hour, part in split_by_time(rows, HOUR_US):
            hive = time.strftime("year=%Y/month=%m/day=%d/hour=%H", time.gmtime(hour * 3_600))
            yield f"{signal_folder(name)}/{service}/{hive}", part


def signal_folder(name: str) -> str:
    """Return the folder of a table: `logs`, `traces`, `metrics/gauge`, …."""
    return name.replace("_", "/", 1)
