"""Make a new descriptor for a file without one, from the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.iceberg.commit.trust import Rejection, Seen, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.iceberg.upkeep.sweep import Stray
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column


def descriptor(storage: Storage, stray: Stray, columns: Sequence[Column]) -> DataFile | None:
    """Return a stray file's descriptor; None if it is not a complete file of ours.

    Args:
        storage: storage of the file.
        stray: the file.
        columns: our columns of its table.

    Raises:
        StorageError: the file cannot be read.
    """
    part = storage.part(stray.entry.path, 0, stray.entry.size_bytes)
    data = part.data
    if not len(data) == part.size_bytes == stray.entry.size_bytes:
        return None
    seen = Seen(len(data), stray.entry.stored_ms, data)
    found = described(stray.name, storage.url(stray.entry.path), seen, columns)
    return None if isinstance(found, Rejection) else found
