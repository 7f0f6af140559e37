"""Stored files written anew for a table that is not quite ours, and files no table takes.

A file is stored before anybody has looked at the table. Should the table turn out to know our
columns under ids of its own, the file is written once more with those; should its types clash
with ours, the file is laid beside the table, where no sweep takes it for something forgotten.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.schema_match import (
    ClashError,
    Matched,
    MisfitError,
    written,
)
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.mapping.rows import CHUNK_BYTES, repeated
from otlp2parquet_ext.records.tables.columns import Encoding, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column

BESIDE = "beside"
SHORT_VALUE = 1_024
"""Characters of a value that is worth no look at how many rows share it."""


class UnreadableError(StorageError):
    """The bytes of a file are there, and are no rows of ours: trying again would not help."""


def fitted(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return rows under the ids and names of `columns`; no value is copied.

    Args:
        rows: with as many columns, in the same order.
        columns: of `Matched`.
    """
    return pa.Table.from_arrays(rows.columns, schema=arrow_schema(columns))


def fit_of(footer: Any, columns: Sequence[Column]) -> Matched:
    """Return how a file was written, by any of us: it may have been for a table with other ids.

    Args:
        footer: the file's.
        columns: ours, of the file's table.

    Raises:
        StorageError: it is none of ours.
    """
    fields = footer.schema.to_arrow_schema()
    try:
        return written(columns, [(f.name, _id(f), _element_id(f)) for f in fields])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"a file of the same name has other columns: {quote(repr(error))}"
        ) from error


def _id(field: pa.Field) -> int:
    return int(field.metadata[b"PARQUET:field_id"])


def _element_id(field: pa.Field) -> int:
    return _id(field.type.value_field) if isinstance(field.type, pa.ListType) else 0


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
        UnreadableError: it is not whole, or none of ours.
        StorageError: the file cannot be read or written now.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - seldom needed

    path = storage.path(file.path)
    try:
        data = pa.BufferReader(storage.get(path, file.size_bytes))
        names = pq.read_schema(data).names
        repeats = [
            name
            for name, column in zip(names, fit.columns, strict=True)
            if column.encoding is Encoding.DICTIONARY and column.type == "string"
        ]
        rows = pq.ParquetFile(data, read_dictionary=repeats).read()
        columns = [_by_reference(column) for column in rows.columns]
        rows = pa.Table.from_arrays(columns, schema=arrow_schema(fit.columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(f"{file.path} cannot be written anew: {quote(error)}") from error
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


def _by_reference(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without its dictionary; a long value that many rows share is there once."""
    if not pa.types.is_dictionary(column.type):
        return column
    chunks: list[pa.Array] = []
    for chunk in column.chunks:
        values = chunk.dictionary.to_pylist()
        if max((len(value) for value in values if value is not None), default=0) <= SHORT_VALUE:
            chunks.append(chunk.dictionary_decode())
            continue
        runs = [(index, len(list(run))) for index, run in groupby(chunk.indices.to_pylist())]
        for index, length in runs:
            value = None if index is None else values[index]
            chunks += repeated(value, length, pa.string(), CHUNK_BYTES // len(runs)).chunks
    return pa.chunked_array(chunks, pa.string())


def lay_beside(storage: Storage, file: DataFile, target: Storage | None = None) -> str:
    """Copy a stored file to where plain Parquet is read; return its new address.

    The path below `beside/` is the one it had below the table's location. The caller forgets the
    descriptor afterwards; doing it again changes nothing.

    Args:
        storage: in which the file lies.
        file: the descriptor.
        target: in which the copy is to lie; None for the same.

    Raises:
        StorageError: the file cannot be read or written.
    """
    path = storage.path(file.path)
    target, beside = target or storage, f"{BESIDE}/{path.removeprefix('data/')}"
    target.put(beside, storage.get(path, file.size_bytes))
    return target.url(beside)


class Fitted(NamedTuple):
    """What became of files that were to be committed.

    Attributes:
        fit: how files have to be written to fit at once; None when they do.
        left_out: files whose rows cannot be read, with the reason: they are in no table.
    """

    fit: Matched | None
    left_out: Mapping[str, str]


def commit_fitting(
    table: CommitTable, inbox: Inbox, files: Sequence[DataFile], deadline_ms: int
) -> Fitted:
    """Commit files, after writing anew those that do not fit; lay aside what no table takes.

    When this returns every row can be read: in the table, or, as one line says, beside it, except
    those of files that nobody can read. One such file keeps no other from being committed.

    Args:
        table: to commit to.
        inbox: knows where the files lie.
        files: n > 0.
        deadline_ms: see `CommitTable.commit`.

    Raises:
        StorageError: a file cannot be written anew or laid beside.
        CommitError: see `CommitTable.commit`.
    """
    fit, left_out = None, dict[str, str]()
    try:
        try:
            table.commit(files, deadline_ms)
        except MisfitError as error:
            fit = error.fit
            files = list(_refitted(inbox, files, frozenset(error.names), fit, left_out))
            if files:
                table.commit(files, deadline_ms)
    except ClashError as error:
        # A table bucket would take the copies as little as the descriptors.
        places = [lay_beside(inbox.storage_of(file), file, inbox.storage) for file in files]
        log("error", f"{error}; {len(places)} files lie beside it, for example {places[0]}")
    return Fitted(fit, left_out)


def _refitted(
    inbox: Inbox,
    files: Sequence[DataFile],
    wrong: Collection[str],
    fit: Matched,
    left_out: dict[str, str],
) -> Iterator[DataFile]:
    """Yield files as the table wants them; note those that nobody can read in `left_out`."""
    for file in files:
        try:
            yield refit(inbox.storage_of(file), file, fit) if file.name in wrong else file
        except UnreadableError as error:
            left_out[file.name] = str(error)
