"""The statistics with which readers skip a Parquet file: sizes, counts and bounds by field id.

The Parquet writer computes them; this module converts them to Iceberg's form, so that a commit does
not open the file. Statistics of a list have the id of its elements, and no bounds, because readers
cannot skip a file by them.

Source: Apache Iceberg table specification, Appendix D, "Binary single-value serialization".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.iceberg.format.nan_counts import FLOAT_TYPE, read_counts
from otlp2parquet_ext.lake.iceberg.model.data_file import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otlp2parquet_ext.records.tables.columns import Column

BOUND_CHARACTERS = 16
"""Most characters of a bound, as Iceberg's default `truncate(16)`; more would not help readers."""

FIXED_WIDTH: dict[str, Callable[[Any], bytes]] = {
    "timestamptz": struct.Struct("<q").pack,
    "long": struct.Struct("<q").pack,
    "int": struct.Struct("<i").pack,
    "double": struct.Struct("<d").pack,
    "boolean": struct.Struct("<?").pack,
}


def statistics(footer: Any, columns: Sequence[Column]) -> Statistics:
    """Return the statistics in a Parquet file's footer.

    Args:
        footer: pyarrow's `FileMetaData` of a file with one row group.
        columns: columns of the file, in its order.
    """
    group = footer.row_group(0)
    found = Statistics(nan_value_counts=read_counts(footer.metadata, columns))
    for number, column in enumerate(columns):
        _add(found, column, group.column(number))
    starts = [_start(group.column(number)) for number in range(len(columns))]
    found.split_offsets.append(min(starts))
    return found


def _add(found: Statistics, column: Column, chunk: Any) -> None:
    field_id, values = column.element_id or column.field_id, chunk.statistics
    found.column_sizes[field_id] = chunk.total_compressed_size
    found.value_counts[field_id] = chunk.num_values
    if values is None or not column.bounds:
        return
    if values.has_null_count:
        found.null_value_counts[field_id] = values.null_count
    if not values.has_min_max or not boundable(found, column):
        return
    pack = FIXED_WIDTH.get(column.type)
    lower = pack(values.min_raw) if pack else lower_bound(values.min_raw)
    upper = pack(values.max_raw) if pack else upper_bound(values.max_raw)
    found.lower_bounds[field_id] = lower
    if upper is not None:
        found.upper_bounds[field_id] = upper


def boundable(found: Statistics, column: Column) -> bool:
    """Return whether a column may have bounds: a float column needs a NaN count and other values.

    Bounds ignore NaN, and readers take a missing NaN count for zero.

    Args:
        found: statistics of the file so far, with the column's counts.
        column: a column that is no list.
    """
    field_id = column.field_id
    if column.type != FLOAT_TYPE:
        return True
    nans = found.nan_value_counts.get(field_id)
    values = found.value_counts[field_id] - found.null_value_counts.get(field_id, 0)
    return nans is not None and nans < values


def lower_bound(least: bytes) -> bytes:
    """Return the longest allowed text that is not greater than `least`."""
    return least.decode()[:BOUND_CHARACTERS].encode()


def upper_bound(greatest: bytes) -> bytes | None:
    """Return the least allowed text that is not less than `greatest`; None if none exists."""
    text = greatest.decode()
    if len(text) <= BOUND_CHARACTERS:
        return greatest
    for length in range(BOUND_CHARACTERS, 0, -1):
        try:
            return (text[: length - 1] + chr(ord(text[length - 1]) + 1)).encode()
        except (ValueError, UnicodeEncodeError):
            continue  # the character has no successor, so increase the one before it
    return None


def _start(chunk: Any) -> int:
    """Return the offset of a column chunk."""
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        return int(min(chunk.dictionary_page_offset, chunk.data_page_offset))
    return int(chunk.data_page_offset)
