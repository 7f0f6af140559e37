"""Stored files written anew for a table that is not quite ours, and files no table takes.

A file is stored before anybody has looked at the table. Should the table turn out to know our
columns under ids of its own, the file is written once more with those; should its types clash
with ours, the file is laid beside the table, where no sweep takes it for something forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from otlp2parquet_ext.destinations.parquet_file import encode
from otlp2parquet_ext.iceberg.bounds import statistics
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.tables.columns import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.iceberg import DataFile
    from otlp2parquet_ext.iceberg.matching import Matched
    from otlp2parquet_ext.storage import Storage
    from otlp2parquet_ext.tables.columns import Column

BESIDE = "beside"


def fitted(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return rows under the ids and names of `columns`; no value is copied.

    Args:
        rows: with as many columns, in the same order.
        columns: of `Matched`.
    """
    return pa.Table.from_arrays(rows.columns, schema=arrow_schema(columns))


def refit(storage: Storage, file: DataFile, fit: Matched) -> DataFile:
    """Write a stored file once more, as the table wants it.

    Its name stays, so that it is committed once, whichever of the two; the first one is left to
    the sweep. Doing it again changes nothing.

    Args:
        storage: of the table.
        file: the descriptor.
        fit: what `MisfitError` says.

    Returns:
        The descriptor of the new file.

    Raises:
        StorageError: the file cannot be read or written, or is none of ours.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - seldom needed

    path = storage.path(file.path)
    try:
        rows = pq.read_table(pa.BufferReader(storage.get(path)))
        rows = fitted(rows, fit.columns)
    except (pa.ArrowException, ValueError) as error:
        raise StorageError(f"{file.path} cannot be written anew: {error}") from error
    data, footer = encode(rows, fit.columns)
    target = f"{path.removesuffix('.parquet')}-{fit.tag}.parquet"
    put = storage.put(target, data)
    return msgspec.structs.replace(
        file,
        path=storage.url(target),
        size_bytes=put.size_bytes,
        statistics=statistics(footer, fit.columns),
        fields=fit.tag,
    )


def lay_beside(storage: Storage, file: DataFile) -> str:
    """Copy a stored file to where plain Parquet is read; return its new address.

    The path below `beside/` is the one it had below the table's location. The caller forgets the
    descriptor afterwards; doing it again changes nothing.

    Args:
        storage: of the table.
        file: the descriptor.

    Raises:
        StorageError: the file cannot be read or written.
    """
    path = storage.path(file.path)
    target = f"{BESIDE}/{path.removeprefix('data/')}"
    storage.put(target, storage.get(path))
    return storage.url(target)
