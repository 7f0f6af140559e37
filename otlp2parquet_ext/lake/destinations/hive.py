"""`file:///…`: plain Parquet files in hive folders, visible as soon as they are stored.

    logs/<service>/year=YYYY/month=MM/day=DD/hour=HH/<first µs>-<batch name>.parquet
    traces/…, metrics/gauge/…, metrics/sum/…, …

Rows go to their own service and the hour of their own time, so a batch across an hour boundary
becomes two files. Where there would be too many hours, the rows of some go to the hour in which
they were received. A service's folder is its name, escaped: `folders.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.destinations.destination import DestinationError, Need, Receipt
from otlp2parquet_ext.lake.destinations.folders import folder_of
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.destinations.partition import (
    HOUR_US,
    MOST_FILES,
    few_periods,
    most_frequent,
    split,
    timestamps_us,
)
from otlp2parquet_ext.lake.destinations.refit import fitted
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.columns import named
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.storage.storage import Put, Storage


OWN_FOLDERS = 20
"""Services with a folder of their own in a batch of too many services."""

MANY_SERVICES = "~many-services"
"""The folder that the other services share; no service's own folder has this name (`CUT`)."""


class Hive:
    """A folder or bucket of Parquet files.

    Args:
        storage: the storage that holds the folder `logs/`.
        lower_case: write the columns' names in lower case.
    """

    def __init__(self, storage: Storage, *, lower_case: bool = False) -> None:
        self._storage = storage
        self._lower_case = lower_case

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return frozenset({Need.TABLES})

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`."""
        del commit_follows
        made = [self._store_part(part) for part in batch.parts()]
        return Receipt(
            sum(one.files for one in made),
            sum(one.size_bytes for one in made),
        )

    def _store_part(self, batch: Batch) -> Receipt:
        files = size_bytes = 0
        for name, table in batch.tables.items():
            for folder, rows in split_by_folder(name, table, batch.received_us):
                put = self._put(name, folder, rows, batch.name)
                files, size_bytes = files + put.new, size_bytes + put.new * put.size_bytes
        return Receipt(files, size_bytes)

    def _put(self, name: str, folder: str, rows: pa.Table, batch_name: str) -> Put:
        columns = named(TABLES[name], lower_case=self._lower_case)
        data = encode(fitted(rows, columns), columns).data
        try:
            return self._storage.put(
                f"{folder}/{min(timestamps_us(rows))}-{batch_name}.parquet", data
            )
        except StorageError as error:
            raise DestinationError(str(error)) from error

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: does nothing, for a stored file is visible at once."""
        del deadline_ms
        return 0

    def describe(self) -> None:
        """See `Destination.describe`: does nothing, for a stored file is safe."""

    def warm_up(self) -> None:
        """See `Destination.warm_up`: does nothing, for there are no tables."""

    def close(self) -> None:
        """See `Destination.close`."""


def split_by_folder(
    name: str, table: pa.Table, received_us: int = 0
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the folders for a table's rows, each with its rows.

    There are at most `MOST_FILES` folders. If there would be more, only the `OWN_FOLDERS` services
    with the most rows keep a folder of their own, and the others share one. If there are still too
    many, all services share one.

    Args:
        name: name of the table, one of `TABLES`.
        table: its rows.
        received_us: see `few_periods`.
    """
    nobody = "unknown" if name.startswith("metrics_") else "unknown-service"
    services = _folders(table.column("ServiceName"), nobody)
    hours = few_periods(timestamps_us(table), HOUR_US, received_us)
    if len(set(services)) * len(set(hours)) > MOST_FILES:
        services = _fewer(services, hours)
    signal = signal_folder(name)
    for (service, hour), rows in split(table, list(zip(services, hours, strict=True))):
        hive = time.strftime("year=%Y/month=%m/day=%d/hour=%H", time.gmtime(hour * 3_600))
        yield f"{signal}/{service}/{hive}", rows


def _folders(services: pa.ChunkedArray, nobody: str) -> list[str]:
    """Return the folder of each row's service, chunk by chunk to save memory."""
    known: dict[str | None, str] = {}
    folders: list[str] = []
    for chunk in services.chunks:
        names = chunk.to_pylist()
        for service in set(names) - known.keys():
            known[service] = folder_of(service or nobody)
        folders += [known[service] for service in names]
    return folders


def _fewer(services: list[str], hours: list[int]) -> list[str]:
    """Return folders of services that make fewer files."""
    if len(set(zip(services, hours, strict=True))) <= MOST_FILES:
        return services
    own = most_frequent(services, OWN_FOLDERS)
    services = [one if one in own else MANY_SERVICES for one in services]
    if len(set(zip(services, hours, strict=True))) <= MOST_FILES:
        return services
    return [MANY_SERVICES] * len(hours)


def signal_folder(name: str) -> str:
    """Return the folder of a table: `logs`, `traces`, `metrics/gauge`, …."""
    return name.replace("_", "/", 1)
