"""Access to a table's own files and catalog, for merging, cleaning and sweeping."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.lake.iceberg.commit.expiry import TABLE_BUCKET
from otlp2parquet_ext.lake.iceberg.format.table_properties import gc_enabled
from otlp2parquet_ext.lake.storage.storage import Storage, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.lake.iceberg.commit.catalog import Catalog
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.records.tables.columns import Column


class Handle(msgspec.Struct, frozen=True):
    """A table.

    Attributes:
        catalog: the table's catalog.
        storage: storage for all addresses in the table's metadata.
        columns: columns of our files.
        threads: number of parallel requests to the storage; 1 for a disk.
        in_table_bucket: the table lies in a table bucket, which holds only the table's files.
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
        """Delete objects; a later sweep deletes those that cannot be deleted now."""
        paths = [self.storage.path(address) for address in addresses]
        if paths:
            with contextlib.suppress(StorageError):
                self.storage.delete_many(paths)

    def why_not_delete(self, metadata: Metadata) -> str:
        """Return the reason why we may not delete the table's files; "" if we may."""
        if self.in_table_bucket or TABLE_BUCKET in metadata["location"]:
            return "only S3 Tables itself deletes unreferenced files"
        if not gc_enabled(metadata):
            return "the table has gc.enabled=false"
        return ""


def now_ms() -> int:
    """Return the current time, Unix ms."""
    return time.time_ns() // 1_000_000
