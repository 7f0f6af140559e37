"""Rows as the bytes of one Parquet file, stored as measurement found best.

Dictionary only where values repeat, times as deltas, the rest plain under zstd; one row group, for
a batch is small; bloom filters, for readers ask for one request or one trace; a page index where
there is more than one page to choose from.

On the reference mix (benchmarks/reference_mix.py) zstd 1 leaves fewer bytes than 2 to 5 and costs
less; what 9 saves, 6 %, costs three times the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

# What `pyarrow.parquet` itself writes with. That module loads pyarrow's file systems and `ssl`
# besides: 15 ms of CPU and 10 MB, for a writer into memory.
from pyarrow._parquet import ParquetWriter

from otlp2parquet_ext.records.tables.columns import ELEMENT, Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.tables.columns import Column

ZSTD_LEVEL = 1
BLOOM_FALSE_POSITIVES = 0.01
PAGE_BYTES = 1_048_576
DICTIONARY_BYTES = 1_048_576
LONG_BYTES, LONG_DICTIONARY_BYTES = 8_388_608, 33_554_432
"""A column of several chunks whose rows together are longer than the first may have a dictionary as
long as the second: it has a few long values that many rows share. Written plain they would be as
long as their rows."""

ROWS_PER_ID = 4  # a request or trace has several lines; a filter for more values is wasted bytes


class ParquetFile(NamedTuple):
    """A file's bytes, and its footer as the writer knows it: pyarrow's `FileMetaData`."""

    data: pa.Buffer
    footer: Any


def encode(rows: pa.Table, columns: Sequence[Column]) -> ParquetFile:
    """Return the Parquet file of `rows`.

    Args:
        rows: n > 0 rows whose schema was made from `columns`, in the same order.
        columns: how each column is stored.

    Source: Apache Parquet format, encodings.
    """
    names = {c: _leaf(c, n) for c, n in zip(columns, rows.schema.names, strict=True)}
    dictionary = [n for c, n in names.items() if c.encoding is Encoding.DICTIONARY]
    others = {n: c.encoding.value for c, n in names.items() if n not in dictionary}
    blooms = {
        n: {"ndv": rows.num_rows // ROWS_PER_ID + 1, "fpp": BLOOM_FALSE_POSITIVES}
        for c, n in names.items()
        if c.bloom_filter
    }
    has_long = any(column.nbytes > LONG_BYTES and column.num_chunks > 1 for column in rows.columns)
    sink = pa.BufferOutputStream()
    writer = ParquetWriter(
        sink,
        rows.schema,
        version="2.6",
        writer_engine_version="V2",
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=dictionary,
        column_encoding=others,
        bloom_filter_options=blooms,
        write_statistics=[n for c, n in names.items() if c.bounds],
        data_page_size=PAGE_BYTES,
        dictionary_pagesize_limit=LONG_DICTIONARY_BYTES if has_long else DICTIONARY_BYTES,
        write_page_index=any(column.nbytes > PAGE_BYTES for column in rows.columns),
        store_schema=False,
    )
    writer.write_table(rows, row_group_size=max(1, rows.num_rows))
    writer.close()
    return ParquetFile(sink.getvalue(), writer.metadata)


def _leaf(column: Column, name: str) -> str:
    """Return what Parquet calls a column of values: of a list its elements."""
    return f"{name}.list.{ELEMENT}" if column.element_type else name


def read_footer(data: bytes) -> Any:
    """Return the footer of a file that somebody wrote.

    Raises:
        pyarrow.ArrowInvalid: it is no Parquet file.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - seldom needed

    return pq.read_metadata(pa.BufferReader(data))
