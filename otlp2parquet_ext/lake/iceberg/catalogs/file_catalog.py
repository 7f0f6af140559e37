"""Catalogs that hold only the location of a table's metadata: SQL, Glue.

    metadata --apply the change--> a new metadata file --compare-and-swap--> the pointer

Source: Apache Iceberg table specification, "Metastore Tables", "Table Metadata Files".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from uuid import uuid4

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.errors import UNREADABLE
from otlp2parquet_ext.lake.iceberg.commit.catalog import Version
from otlp2parquet_ext.lake.iceberg.commit.leftovers import ExpiredFiles
from otlp2parquet_ext.lake.iceberg.format.metadata_paths import metadata_folder
from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, applied
from otlp2parquet_ext.lake.iceberg.format.table_properties import gc_enabled
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.snapshot import TableChange
    from otlp2parquet_ext.lake.storage.storage import Storage

DELETE_OLD = "write.metadata.delete-after-commit.enabled"
VERSION = re.compile(r"(\d+)-[^/]*\.metadata\.json$")


class Pointer(Protocol):
    """The catalog's entry with the location of a table's metadata; raises as `Catalog` does."""

    def current(self, deadline_ms: int) -> str | None:
        """Return the address of the metadata; None if the table does not exist."""

    def create(self, location: str, deadline_ms: int) -> None:
        """Create the entry of a new table, unless it exists."""

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """Replace `old` by `new` atomically; return False if the address is no longer `old`."""


@runtime_checkable
class TryingPointer(Protocol):
    """A pointer with a way to test whether we may move it."""

    def try_swap(self, deadline_ms: int) -> None:
        """Test whether `swap` would be allowed, without moving the pointer; call `current` before.

        Raises:
            CommitError: the catalog would refuse.
        """


class FileCatalog:
    """See `Catalog`.

    Args:
        pointer: the catalog itself.
        storage: storage for all addresses in the table's metadata.
    """

    def __init__(self, pointer: Pointer, storage: Storage) -> None:
        self._pointer = pointer
        self._storage = storage
        self._leftovers = ExpiredFiles(storage)
        self._latest: Version | None = None

    def load(self, deadline_ms: int, *, fresh: bool = False) -> Version | None:
        """See `Catalog.load`; always the current version. Unchanged metadata is not read again."""
        del fresh
        location = self._pointer.current(deadline_ms)
        if location is None:
            self._latest = None
        elif self._latest is None or self._latest.location != location:
            self._latest = self._read(location, deadline_ms)
        return self._latest

    def create(self, metadata: Metadata, deadline_ms: int) -> None:
        """See `Catalog.create`."""
        self._pointer.create(self._write(metadata, 0), deadline_ms)

    def commit(self, base: Version, change: TableChange, deadline_ms: int) -> bool:
        """See `Catalog.commit`."""
        metadata = applied(base.metadata, change, base.location)
        location = self._write(metadata, _version(base.location) + 1)
        if not self._pointer.swap(base.location, location, deadline_ms):
            self._leftovers.delete([location])  # no reader knows this file
            return False
        self._latest = Version(location, metadata)
        self._leftovers.delete(unreferenced(base, metadata))
        return True

    def try_commit(self, base: Version, deadline_ms: int) -> bool:
        """See `catalog.Trying`."""
        del base
        if not isinstance(self._pointer, TryingPointer):
            return False
        self._pointer.try_swap(deadline_ms)
        return True

    def _read(self, location: str, deadline_ms: int) -> Version:
        if location.endswith(".gz.metadata.json"):
            raise CommitError(f"{location}: compressed metadata is not read here")
        try:
            data = self._storage.get(self._storage.path(location), decoded=True)
            return Version(location, msgspec.json.decode(data, type=Metadata))
        except NotThereError as error:
            # Other writers may have committed so often in the meantime that the file is deleted.
            now = self._pointer.current(deadline_ms)
            if now is None or now == location:
                raise CommitError(f"the table's metadata is gone: {error}") from error
            return self._read(now, deadline_ms)
        except (StorageError, *UNREADABLE) as error:
            raise CommitError(f"the table's metadata cannot be read: {quote(error)}") from error

    def _write(self, metadata: Metadata, version: int) -> str:
        location = f"{metadata_folder(metadata)}/{version:05}-{uuid4()}.metadata.json"
        try:
            self._storage.put(self._storage.path(location), msgspec.json.encode(metadata))
        except StorageError as error:
            raise CommitError(str(error)) from error
        return location


def unreferenced(base: Version, after: Metadata) -> list[str]:
    """Return the files that left the metadata log, if the table's properties allow deletion."""
    asked = after["properties"].get(DELETE_OLD, "false").lower() == "true"
    if not asked or not gc_enabled(after):
        return []
    before = [entry["metadata-file"] for entry in base.metadata.get("metadata-log", ())]
    kept = {entry["metadata-file"] for entry in after["metadata-log"]}
    return [location for location in before if location not in kept]


def _version(location: str) -> int:
    """Return the number at the beginning of a metadata file's name; -1 without one."""
    found = VERSION.search(location)
    return int(found[1]) if found else -1
