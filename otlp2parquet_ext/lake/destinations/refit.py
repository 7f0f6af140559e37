"""Rewrite stored files for a table with other column ids, and copy files that no table can take.

A file is stored before the table is read. If the table has our columns under other ids, the file is
rewritten with these ids. If the table's types clash with ours, the file is copied beside the table
(`beside/`), where no sweep deletes it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
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
"""Most characters of a short value. Short values are copied for each row; of longer ones, rows
share a copy."""


class UnreadableError(StorageError):
    """The file exists but is not a Parquet file of ours, so a retry cannot help."""


def fitted(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return rows under the ids and names of `columns`; no value is copied.

    Args:
        rows: rows with the same number of columns, in the same order.
        columns: `Matched.columns`.
    """
    return pa.Table.from_arrays(rows.columns, schema=arrow_schema(columns))


def fit_of(footer: Any, columns: Sequence[Column]) -> Matched:
    """Return the column ids of a file that this product wrote, perhaps for a table with other ids.

    Args:
        footer: the file's footer.
        columns: our columns of the file's table.

    Raises:
        StorageError: the file has other columns than ours.
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
    """Rewrite a stored file for the table's column ids.

    The descriptor keeps its name, so only one of the two files is ever committed. A sweep deletes
    the old file. Rewriting twice is idempotent.

    Args:
        storage: the table's storage.
        file: the descriptor.
        fit: `MisfitError.fit`.

    Returns:
        The descriptor of the new file.

    Raises:
        UnreadableError: the file is incomplete, or not one of ours.
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
        raise UnreadableError(f"{file.path} cannot be rewritten: {quote(error)}") from error
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
    """Return a column without its dictionary; rows share the bytes of a repeated long value."""
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
    """Copy a stored file to `beside/`, a folder of plain Parquet; return its new address.

    The path below `beside/` is the file's path below `data/`. The caller discards the descriptor
    afterwards. Copying twice is idempotent.

    Args:
        storage: the storage of the file.
        file: the descriptor.
        target: the storage for the copy; None for the same storage.

    Raises:
        StorageError: the file cannot be read or written.
    """
    path = storage.path(file.path)
    target, beside = target or storage, f"{BESIDE}/{path.removeprefix('data/')}"
    target.put(beside, storage.get(path, file.size_bytes))
    return target.url(beside)


class Fitted(NamedTuple):
    """The result of committing files.

    Attributes:
        fit: the columns with which later files fit without a rewrite; None when they fit already.
        left_out: names of files whose rows cannot be read, with the reason; they are not committed.
    """

    fit: Matched | None
    left_out: Mapping[str, str]


def commit_fitting(
    table: CommitTable, inbox: Inbox, files: Sequence[DataFile], deadline_ms: int
) -> Fitted:
    """Commit files; rewrite them for other column ids, or copy them to `beside/` if types clash.

    Afterwards all rows can be read in the table or beside it; a logged error names the files beside
    it. Only unreadable files are left out, and the other files are committed nevertheless.

    Args:
        table: the table to commit to.
        inbox: holds the descriptors, and opens the files' storage.
        files: n > 0 files.
        deadline_ms: see `CommitTable.commit`.

    Raises:
        StorageError: a file cannot be rewritten or copied.
        CommitError: see `CommitTable.commit`.
    """
    fit, left_out, deadline = None, dict[str, str](), SteadyDeadline(deadline_ms)
    try:
        try:
            table.commit(files, deadline_ms)
        except MisfitError as error:
            fit = error.fit
            files = list(_refitted(inbox, files, frozenset(error.names), fit, left_out))
            if files:
                table.commit(files, deadline.unix_ms())
    except ClashError as error:
        # Copies go to the inbox's storage, because a table bucket refuses files without a commit.
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
    """Yield files with the table's column ids; add unreadable files to `left_out`."""
    for file in files:
        try:
            yield refit(inbox.storage_of(file), file, fit) if file.name in wrong else file
        except UnreadableError as error:
            left_out[file.name] = str(error)
