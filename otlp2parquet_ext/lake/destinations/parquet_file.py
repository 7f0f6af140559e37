"""Encode rows as one Parquet file, with the settings that measured best.

Columns with repeating values have a dictionary, times are deltas, and the other columns are plain;
all are compressed with zstd. There is one row group, because a batch is small. Bloom filters serve
readers that look for one request or one trace. Files with several pages have a page index.

On the reference mix (benchmarks/reference_mix.py) zstd level 1 gives smaller files than levels 2 to
5, with less CPU. Level 9 saves another 6 % for three times the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

# `pyarrow.parquet` writes with this extension module, too. But importing `pyarrow.parquet` also
# loads pyarrow's file systems and `ssl`: 15 ms of CPU and 10 MB more.
from pyarrow._parquet import ParquetWriter

from otlp2parquet_ext.lake.iceberg.format.nan_counts import footer_entry
from otlp2parquet_ext.records.tables.columns import ELEMENT, Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.tables.columns import Column

ZSTD_LEVEL = 1
BLOOM_FALSE_POSITIVES = 0.01
PAGE_BYTES = 1_048_576
DICTIONARY_BYTES = 1_048_576
LONG_BYTES, LONG_DICTIONARY_BYTES = 8_388_608, 33_554_432
"""A file with a column of several chunks and more than `LONG_BYTES` may have dictionaries of up to
`LONG_DICTIONARY_BYTES`: many rows of that column share a few long values. Plain encoding would
repeat each value for each row."""

ROWS_PER_ID = 4  # rows per request or trace: a bloom filter for more ids would waste bytes


class ParquetFile(NamedTuple):
    """A file's bytes, and its footer: pyarrow's `FileMetaData` from the writer."""

    data: pa.Buffer
    footer: Any


def encode(rows: pa.Table, columns: Sequence[Column]) -> ParquetFile:
    """Return the Parquet file of `rows`.

    Args:
        rows: n > 0 rows whose schema was made from `columns`, in the same order.
        columns: the storage of each column.

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
    if counts := footer_entry(rows, columns):
        writer.add_key_value_metadata(counts)
    writer.close()
    return ParquetFile(sink.getvalue(), writer.metadata)


def _leaf(column: Column, name: str) -> str:
    """Return Parquet's name for the leaf column; of a list, its elements."""
    return f"{name}.list.{ELEMENT}" if column.element_type else name


def read_footer(data: bytes) -> Any:
    """Return the footer of an existing file.

    Raises:
        pyarrow.ArrowInvalid: the bytes are no Parquet file.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - seldom needed

    return pq.read_metadata(pa.BufferReader(data))
