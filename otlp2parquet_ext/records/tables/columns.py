"""The definition of a column, and the pyarrow schema of a list of columns.

    Column (plain Python) --arrow_schema()--> pa.Schema --> Parquet, Iceberg

Field ids, types and order define a table; names may differ: a catalog that allows no capitals gets
the same table with lower-case names. A list has two ids: one for the column and one for its
elements, which engines look up, too.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

TypeWord = Literal[
    "timestamptz",
    "string",
    "int",
    "long",
    "double",
    "boolean",
    "list<timestamptz>",
    "list<string>",
    "list<long>",
    "list<double>",
]
"""Iceberg's names of the used types; `timestamptz` means microseconds in UTC."""

ELEMENT = "element"
"""Iceberg's and Parquet's name for the elements of a list."""


class Encoding(StrEnum):
    """The Parquet encoding of a column, chosen by measurement on the reference mix of log rows.

    `DICTIONARY` is Parquet's dictionary with its usual fall-back; the others switch it off. Their
    values are names that pyarrow's `column_encoding` accepts.
    """

    DICTIONARY = "DICTIONARY"
    PLAIN = "PLAIN"
    DELTA_BINARY_PACKED = "DELTA_BINARY_PACKED"


class Column(Struct, frozen=True):
    """One column of a table.

    Attributes:
        field_id: the column's id in Iceberg and Parquet; 1…N in column order.
        name: in PascalCase; see `named` for lower case.
        type: Iceberg's name of the type; `list<…>` for lists.
        nullable: False makes it required in Iceberg, non-nullable in Arrow.
        doc: one sentence for the reader of the table.
        encoding: Parquet encoding of the values.
        bloom_filter: write a Parquet bloom filter, because readers search for single values.
        bounds: write the least and greatest value, by which readers skip files. Long text has none,
            because readers do not compare it and each footer would contain it four times. Lists
            have none, because Iceberg has no bounds of elements.
        element_id: id of a list's elements, N+1… in column order; 0 for other types.
        element_nullable: whether an element of a list may be null.
        added: the first version of the table had no such column, so in an old table another column
            may have its id.

    Source: otlp2parquet v0.3.0, its Arrow schemas; Apache Iceberg table specification, "Schemas and
    Data Types".
    """

    field_id: int
    name: str
    type: TypeWord
    nullable: bool
    doc: str
    encoding: Encoding
    bloom_filter: bool = False
    bounds: bool = True
    element_id: int = 0
    element_nullable: bool = False
    added: bool = False

    @property
    def element_type(self) -> str:
        """The type of a list's elements; "" for other types."""
        return self.type[5:-1] if self.type.startswith("list<") else ""


def numbered(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Assign ids to the columns of a table: 1…N in their order, then N+1… to elements of lists.

    PyIceberg, and catalogs that assign new ids to a new table, assign the same ones.
    """
    lists = iter(range(len(columns) + 1, 2 * len(columns) + 1))
    return tuple(
        replace(column, field_id=number, element_id=next(lists) if column.element_type else 0)
        for number, column in enumerate(columns, 1)
    )


def arrow_type(word: str) -> pa.DataType:
    """Return the Arrow type for the name of a type without parts.

    Raises:
        ValueError: a bug of ours; `arrow_schema` makes lists, because they have ids.
    """
    match word:
        case "timestamptz":
            return pa.timestamp("us", tz="UTC")
        case "string":
            return pa.string()
        case "int":
            return pa.int32()
        case "long":
            return pa.int64()
        case "double":
            return pa.float64()
        case "boolean":
            return pa.bool_()
    raise ValueError(f"there is no type {word!r} without parts")


def named(columns: Sequence[Column], *, lower_case: bool) -> tuple[Column, ...]:
    """Return columns in the case that a catalog allows: `servicename` for S3 Tables and Glue.

    Source: Amazon S3 user guide, "Amazon S3 table bucket, table, and namespace naming rules".
    """
    if not lower_case:
        return tuple(columns)
    return tuple(replace(column, name=column.name.lower()) for column in columns)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a table, with nullability and `PARQUET:field_id` everywhere.

    Args:
        columns: in table order.
    """
    return _arrow_schema(tuple(columns))


@lru_cache(maxsize=32)  # each batch needs its tables' schemas, and they never change
def _arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema(
        [
            _field(column.name, _arrow_type(column), column.field_id, nullable=column.nullable)
            for column in columns
        ]
    )


def _arrow_type(column: Column) -> pa.DataType:
    if not column.element_type:
        return arrow_type(column.type)
    type_, nullable = arrow_type(column.element_type), column.element_nullable
    return pa.list_(_field(ELEMENT, type_, column.element_id, nullable=nullable))


def _field(name: str, type_: pa.DataType, field_id: int, *, nullable: bool) -> pa.Field:
    metadata = {"PARQUET:field_id": str(field_id)}
    return pa.field(name, type_, nullable=nullable, metadata=metadata)
