"""Check a file before its commit, with one ranged request for its end, which holds the footer.

    claim --part()--> size, time, footer --trust.verified()--> verified descriptor | Rejection

The same request shows that the file exists, and its length. A footer longer than `TAIL_BYTES` needs
a second request; our own footers are shorter.
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
"""Bytes to read from a file's end; our footers have 2 to 5 kB."""


def look(storage: Storage, file: DataFile, columns: Sequence[Column]) -> DataFile | Rejection:
    """Compare a file with its descriptor; return the verified descriptor or a rejection.

    Args:
        storage: storage of the file.
        file: the unverified descriptor.
        columns: our columns of its table.

    Raises:
        StorageError: the file cannot be read.
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
    """Read a file's length, time and footer.

    Args:
        storage: storage of the file.
        path: path of the file.
        size_bytes: the claimed length; if the real one differs, the footer is not read.

    Raises:
        NotThereError: the file does not exist.
        FooterError: its end is not that of a Parquet file.
        StorageError: the file cannot be read.
    """
    start = max(0, size_bytes - TAIL_BYTES)
    part = storage.part(path, start, size_bytes - start)
    if part.size_bytes != size_bytes:
        return Seen(part.size_bytes, part.stored_ms, b"")
    needed = footer_bytes(part.data, size_bytes) + TRAILER_BYTES
    if needed > len(part.data):
        part = storage.part(path, size_bytes - needed, needed)
    return Seen(part.size_bytes, part.stored_ms, part.data)
