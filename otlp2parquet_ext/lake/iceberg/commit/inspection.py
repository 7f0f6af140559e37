"""Look at a file before it is committed: one ranged request for its end, which has its footer.

    claim --part()--> size, time, footer --trust.verified()--> the file as it is | Rejection

The same request tells that the file is there and how long it is. Two are needed where the footer is
longer than `TAIL_BYTES`, which none of ours is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.iceberg.commit import trust
from otlp2parquet_ext.lake.iceberg.commit.trust import Rejection, Seen
from otlp2parquet_ext.lake.iceberg.format.footer import TRAILER_BYTES, FooterError, footer_bytes
from otlp2parquet_ext.lake.storage.storage import ForeignAddressError, NotThereError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column

TAIL_BYTES = 8_192
"""What is read of a file's end: our footers have 2 to 5 kB."""


def look(storage: Storage, file: DataFile, columns: Sequence[Column]) -> DataFile | Rejection:
    """Return a file as it is, if that is what its descriptor says.

    Args:
        storage: in which it lies.
        file: as claimed.
        columns: ours, of its table.

    Raises:
        StorageError: that cannot be found out.
    """
    path = storage.path(file.path)
    if wrong := trust.wrong_path(file, path):
        return wrong
    try:
        seen = see(storage, path, file.size_bytes)
    except NotThereError:
        return Rejection(f"{trust.quoted(file.path)} is not there", missing=True)
    except (ForeignAddressError, FooterError) as error:
        return Rejection(str(error))
    return trust.verified(file, storage.url(path), seen, columns)


def see(storage: Storage, path: str, size_bytes: int) -> Seen:
    """Return what a storage says of a file.

    Args:
        storage: in which it lies.
        path: of the file.
        size_bytes: its length as claimed; of one that has another no more is read.

    Raises:
        NotThereError: there is no such file.
        FooterError: its end is not that of a Parquet file.
        StorageError: it cannot be read.
    """
    start = max(0, size_bytes - TAIL_BYTES)
    part = storage.part(path, start, size_bytes - start)
    if part.size_bytes != size_bytes:
        return Seen(part.size_bytes, part.stored_ms, b"")
    needed = footer_bytes(part.data, size_bytes) + TRAILER_BYTES
    if needed > len(part.data):
        part = storage.part(path, size_bytes - needed, needed)
    return Seen(part.size_bytes, part.stored_ms, part.data)
