"""What is asked for when a lake is put together, and what all kinds of lakes share."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.lazily import LazyStorage
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.access import Access
    from otlp2parquet_ext.lake.destinations.address import DestinationAddress
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.iceberg.commit.terms import Terms
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column

LOCATION_MS = 10_000
"""What a catalog may take to say where a table lies."""


class LakeSpec(NamedTuple):
    """What is asked for.

    Attributes:
        address: the destination.
        settings: names of the table, and who commits.
        environ: variables of the process.
        terms: how to commit.
        access: its connections and credentials are those of all the destination's tables.
        table: which of `TABLES`.
    """

    address: DestinationAddress
    settings: Settings
    environ: Mapping[str, str]
    terms: Terms
    access: Access
    table: str

    @property
    def name(self) -> tuple[str, str]:
        """Namespace and table."""
        namespace = self.address.place if self.address.kind == "glue" else self.settings.namespace
        return namespace, self.settings.table_name(self.table)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of the table."""
        return TABLES[self.table]


class Made(NamedTuple):
    """Where data files go, and what opens the table: always the same one."""

    storage: Storage
    open_table: Callable[[], CommitTable]


def once(open_table: Callable[[], CommitTable]) -> Callable[[], CommitTable]:
    """Return a function that opens a table once, whichever thread asks first."""
    opened: list[CommitTable] = []
    opening = threading.Lock()

    def once() -> CommitTable:
        with opening:
            if not opened:
                opened.append(open_table())
            return opened[0]

    return once


def where(open_table: Callable[[], CommitTable], files: Callable[[str], Storage]) -> Storage:
    """Return a storage that lies where the table does.

    Args:
        open_table: opens the table.
        files: opens a storage at an address.
    """

    def find() -> Storage:
        try:
            return files(open_table().location(location_deadline_ms()))
        except CommitError as error:
            raise StorageError(f"where the table lies is not known: {error}") from error

    return LazyStorage(find)


def location_deadline_ms() -> int:
    """Return until when (Unix ms) a catalog may take to say where a table lies."""
    return time.time_ns() // 1_000_000 + LOCATION_MS
