"""Check a Parquet file's footer against our columns, and return its facts. Pure.

    footer --facts()--> rows, column ids, counts and bounds | ValueError

The statistics are the same as those of `bounds.statistics` for a file that our writer has just
written. Here the file may come from any writer.

Source: Apache Parquet format, `parquet.thrift`, "Logical Types"; Apache Iceberg table
specification, Appendix D, "Binary single-value serialization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.lake.iceberg.format.bounds import boundable, lower_bound, upper_bound
from otlp2parquet_ext.lake.iceberg.format.footer import MAGIC
from otlp2parquet_ext.lake.iceberg.format.nan_counts import read_counts
from otlp2parquet_ext.lake.iceberg.format.schema_match import Matched, written
from otlp2parquet_ext.lake.iceberg.model.data_file import Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.format.footer import Struct
    from otlp2parquet_ext.records.tables.columns import Column

MOST_ROWS = 100_000_000
"""Most rows of one file: a batch comes from at most 100 MB of telemetry."""

REQUIRED, OPTIONAL, REPEATED = 0, 1, 2
LIST_TYPE: dict[int, dict[int, object]] = {3: {}}
TYPES: dict[str, tuple[int, int, tuple[Struct | None, ...]]] = {
    "boolean": (0, 1, (None,)),
    "int": (1, 4, (None, {10: {1: 32, 2: True}})),
    "long": (2, 8, (None, {10: {1: 64, 2: True}})),
    "timestamptz": (2, 8, ({8: {1: True, 2: {2: {}}}},)),
    "double": (5, 8, (None,)),
    "string": (6, 0, ({1: {}},)),
}
"""Parquet's physical type, width of a value (0 for text) and logical types, by type."""

CODECS = {0: "uncompressed", 1: "Snappy", 2: "gzip", 6: "zstd"}
"""Compressions that all readers support, by their numbers."""

ENCRYPTED = frozenset({8, 9})
"""Ids of fields that only an encrypted footer or column has."""


class Facts(NamedTuple):
    """The facts about a file.

    Attributes:
        rows: number of rows.
        fit: its columns.
        statistics: statistics of its columns.
    """

    rows: int
    fit: Matched
    statistics: Statistics


def facts(footer: Struct, columns: Sequence[Column], end: int) -> Facts:
    """Return the facts about a file of ours.

    Args:
        footer: the file's footer.
        columns: our columns of its table.
        end: offset of the footer.

    Raises:
        ValueError: the file is not one of ours; the message states the reason.
        KeyError, TypeError, AttributeError: likewise; the footer lacks a required value.
    """
    if footer.keys() & ENCRYPTED:
        raise ValueError("it is encrypted")
    rows, groups = footer[3], footer[4]
    if len(groups) != 1:
        raise ValueError(f"the file has {len(groups)} row groups: expected 1")
    if not 1 <= rows <= MOST_ROWS or groups[0][3] != rows:
        raise ValueError(f"the file has {rows} rows: expected 1 to {MOST_ROWS}, in its row group")
    fit = _fit(footer[2], columns)
    chunks = groups[0][1]
    if len(chunks) != len(fit.columns):
        raise ValueError(f"the file has {len(chunks)} columns, and its schema {len(fit.columns)}")
    metadata = {entry[1]: entry.get(2, b"") for entry in footer.get(5, ())}
    found, starts = Statistics(nan_value_counts=read_counts(metadata, fit.columns)), []
    for column, chunk in zip(fit.columns, chunks, strict=True):
        starts.append(_start(chunk, column, rows, end))
        _add(found, column, chunk[3])
    found.split_offsets.append(min(starts))
    return Facts(rows, fit, found)


def _fit(schema: Sequence[Struct], columns: Sequence[Column]) -> Matched:
    """Return the file's columns: all our columns with the same types, under any ids."""
    count = schema[0][5]
    if count > len(columns):
        raise ValueError(
            f"the file has {count} columns, and this version knows {len(columns)}: if a newer "
            "one wrote it, update what commits, then move the descriptor back"
        )
    ours = [column for n, column in enumerate(columns) if n < count or not column.added]
    if count != len(ours):
        raise ValueError(f"the file has {count} columns: expected {len(ours)}")
    found, left = [], iter(schema[1:])
    for column in ours:
        element = next(left, {})
        name, field_id, element_id = element[4].decode(), element[9], 0
        if element[3] != (OPTIONAL if column.nullable else REQUIRED):
            raise ValueError(f"the column {name!r} is nullable in one of file and table only")
        type_: str = column.type
        if column.element_type:
            _check_list(element, next(left, {}), name)
            element, type_ = next(left, {}), column.element_type
            element_id = element[9]
            if element[3] != (OPTIONAL if column.element_nullable else REQUIRED):
                raise ValueError(f"what {name!r} holds is nullable in one of both only")
        _check_type(element, type_, name)
        found.append((name, field_id, element_id))
    if next(left, None) is not None:
        raise ValueError("its schema has more than its columns")
    if len({field_id for _, field_id, _ in found}) != len(found):
        raise ValueError("two of its columns have one id")
    return written(ours, found)


def _check_list(group: Struct, repeated: Struct, name: str) -> None:
    """Refuse a column that is no list of three levels."""
    shape = (group.get(10), group.get(5), repeated.get(3), repeated.get(5))
    if shape != (LIST_TYPE, 1, REPEATED, 1):
        raise ValueError(f"the column {name!r} is no list")


def _check_type(element: Struct, type_: str, name: str) -> None:
    physical, _, logical = TYPES[type_]
    if element.get(5) or element.get(1) != physical or element.get(10) not in logical:
        raise ValueError(f"the column {name!r} is no {type_}")


def _start(chunk: Struct, column: Column, rows: int, end: int) -> int:
    """Return the offset of a column; refuse one outside of the file, or an unreadable one."""
    about, name = chunk[3], column.name
    if chunk.get(1) or chunk.keys() & ENCRYPTED:
        raise ValueError(f"the column {name!r} is encrypted, or lies in another file")
    if about[1] != TYPES[column.element_type or column.type][0]:
        raise ValueError(f"the column {name!r} is of another type than in the schema")
    if about[4] not in CODECS:
        raise ValueError(f"the column {name!r} is compressed by {about[4]}: expected {CODECS}")
    start: int = min(about[9], about.get(11) or about[9])
    if start < len(MAGIC) or not 0 <= about[7] <= end - start or about[9] >= end:
        raise ValueError(f"the column {name!r} lies outside of the file")
    values = about[5]
    if values < rows or (values > rows and not column.element_type):
        raise ValueError(f"the column {name!r} has {values} values in {rows} rows")
    return start


def _add(found: Statistics, column: Column, about: Struct) -> None:
    """Add a column's statistics from the footer, in Iceberg's form."""
    field_id = column.element_id or column.field_id
    found.column_sizes[field_id] = about[7]
    found.value_counts[field_id] = about[5]
    said: dict[int, Any] = about.get(12) or {}
    _check_nans(found, column, said.get(3) or 0)
    if not column.bounds:
        return
    if (nulls := said.get(3)) is not None:
        if not 0 <= nulls <= about[5]:
            raise ValueError(f"the column {column.name!r} has {nulls} nulls in {about[5]} values")
        found.null_value_counts[field_id] = nulls
    least, greatest = said.get(6), said.get(5)
    if least is None or greatest is None or not boundable(found, column):
        return
    if width := TYPES[column.type][1]:
        if len(least) != width or len(greatest) != width:
            raise ValueError(f"the bounds of the column {column.name!r} are no {column.type}")
        found.lower_bounds[field_id], found.upper_bounds[field_id] = least, greatest
        return
    found.lower_bounds[field_id] = lower_bound(least)
    if (upper := upper_bound(greatest)) is not None:
        found.upper_bounds[field_id] = upper


def _check_nans(found: Statistics, column: Column, nulls: int) -> None:
    """Refuse a count of NaN that the column cannot have."""
    field_id = column.element_id or column.field_id
    nans, values = found.nan_value_counts.get(field_id, 0), found.value_counts[field_id]
    if not 0 <= nans <= values - nulls:
        raise ValueError(f"the column {column.name!r} has {nans} NaN in {values} values")
