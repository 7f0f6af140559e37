"""The specification of a lake, and the helpers that all kinds of lakes share."""

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
"""Longest wait for a catalog's answer about a table's location."""


class LakeSpec(NamedTuple):
    """The specification of one table's lake.

    Attributes:
        address: the destination.
        settings: hold the table's name and the commit strategy.
        environ: environment variables of the process.
        terms: conditions of a commit.
        access: makes clients and storages; all tables of the destination share it.
        table: the table's key in `TABLES`.
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
        """The table's columns."""
        return TABLES[self.table]


class Made(NamedTuple):
    """The storage of the data files, and a function that opens the table once."""

    storage: Storage
    open_table: Callable[[], CommitTable]


def once(open_table: Callable[[], CommitTable]) -> Callable[[], CommitTable]:
    """Return a function that opens a table once, also when two threads call it."""
    opened: list[CommitTable] = []
    opening = threading.Lock()

    def once() -> CommitTable:
        with opening:
            if not opened:
                opened.append(open_table())
            return opened[0]

    return once


def where(open_table: Callable[[], CommitTable], files: Callable[[str], Storage]) -> Storage:
    """Return the storage at the table's location; the catalog is asked at the first use.

    Args:
        open_table: opens the table.
        files: opens a storage at an address.
    """

    def find() -> Storage:
        try:
            return files(open_table().location(location_deadline_ms()))
        except CommitError as error:
            raise StorageError(f"the table's location is not known: {error}") from error

    return LazyStorage(find)


def location_deadline_ms() -> int:
    """Return the deadline (Unix ms) for a catalog's answer about a table's location."""
    return time.time_ns() // 1_000_000 + LOCATION_MS
