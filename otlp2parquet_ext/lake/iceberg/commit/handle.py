"""What it takes to work on a table itself, beyond appending to it: for merging and cleaning."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.expiry import TABLE_BUCKET
from otlp2parquet_ext.lake.storage.storage import Storage, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Catalog
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.records.tables.columns import Column

GC = "gc.enabled"
"""Of a table's properties: false where its files may belong to others, too."""


class Handle(msgspec.Struct, frozen=True):
    """A table.

    Attributes:
        catalog: knows it.
        storage: reaches every address it may name.
        columns: of our files.
        threads: requests to the storage that are worth having under way at once; 1 for a disk.
        in_table_bucket: where the table lies there is nothing but the table.
    """

    catalog: Catalog
    storage: Storage
    columns: tuple[Column, ...]
    threads: int = 1
    in_table_bucket: bool = False

    def get(self, address: str, most_bytes: int | None = None) -> bytes:
        """Read an object by its address; see `Storage.get`."""
        return self.storage.get(self.storage.path(address), most_bytes)

    def put(self, address: str, data: bytes) -> None:
        """Write an object by its address."""
        self.storage.put(self.storage.path(address), data)

    def delete(self, addresses: Iterable[str]) -> None:
        """Remove objects; what cannot be removed is left to the sweep."""
        paths = [self.storage.path(address) for address in addresses]
        if paths:
            with contextlib.suppress(StorageError):
                self.storage.delete_many(paths)

    def why_not_delete(self, metadata: Metadata) -> str:
        """Return why no file of the table may be deleted by us; empty when they may be."""
        if self.in_table_bucket or TABLE_BUCKET in metadata["location"]:
            return "S3 Tables removes what nothing refers to, and lets nobody else do it"
        if str(metadata.get("properties", {}).get(GC, "true")).lower() != "true":
            return "the table has gc.enabled=false"
        return ""


def now_ms() -> int:
    """Return the present, Unix ms."""
    return time.time_ns() // 1_000_000
