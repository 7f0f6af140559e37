"""What a column is, and how a list of them becomes a pyarrow schema.

    Column (plain Python) --arrow_schema()--> pa.Schema --> Parquet, Iceberg

Field ids, types and order are the table; names are only names: a catalog that cannot bear
capitals gets the same table in lower case. A list has two ids: the column's, and that of its
elements, which engines ask for as they do for columns.
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
"""Iceberg's words for the types in use; `timestamptz` means microseconds in UTC."""

ELEMENT = "element"
"""Iceberg's and Parquet's name for what a list holds."""


class Encoding(StrEnum):
    """How Parquet stores a column best; measured on the reference mix of log rows.

    `DICTIONARY` is Parquet's dictionary with its usual fall-back; the others switch it off.
    The two values besides are the names pyarrow's `column_encoding` takes.
    """

    DICTIONARY = "DICTIONARY"
    PLAIN = "PLAIN"
    DELTA_BINARY_PACKED = "DELTA_BINARY_PACKED"


class Column(Struct, frozen=True):
    """One column of a table.

    Attributes:
        field_id: the id Iceberg and Parquet know the column by; 1…N in column order.
        name: in PascalCase; see `named` for lower case.
        type: Iceberg's word for the type; `list<…>` for lists.
        nullable: False makes it required in Iceberg, non-nullable in Arrow.
        doc: one sentence for the reader of the table.
        encoding: how the values are best stored.
        bloom_filter: worth a Parquet bloom filter, because readers ask for single values.
        bounds: whether least and greatest value are kept, for readers to skip files by: not of
            long text, which nobody compares, and which would lie four times in every footer. Never
            of lists: Iceberg knows no bounds of elements.
        element_id: of a list, the id of its elements; N+1… in column order; 0 of anything else.
        element_nullable: whether an element of a list may be null.
        added: the first version of its table had no such column: there the id may have been given
            to somebody else's.

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
        """The type of a list's elements; "" of anything else."""
        return self.type[5:-1] if self.type.startswith("list<") else ""


def numbered(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Give ids to the columns of a table: 1…N in their order, then N+1… to elements of lists.

    PyIceberg and other catalogs that number a new table afresh come to the same.
    """
    lists = iter(range(len(columns) + 1, 2 * len(columns) + 1))
    return tuple(
        replace(column, field_id=number, element_id=next(lists) if column.element_type else 0)
        for number, column in enumerate(columns, 1)
    )


def arrow_type(word: str) -> pa.DataType:
    """Give the Arrow type that the word for a type without parts stands for.

    Raises:
        ValueError: a bug of ours; lists are made by `arrow_schema`, for they have ids.
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
    """Give columns in the case a catalog can bear: `servicename` for S3 Tables and Glue.

    Source: Amazon S3 user guide, "Amazon S3 table bucket, table, and namespace naming rules".
    """
    if not lower_case:
        return tuple(columns)
    return tuple(replace(column, name=column.name.lower()) for column in columns)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Give the Arrow schema of a table, with nullability and `PARQUET:field_id`, elements included.

    Args:
        columns: in table order.
    """
    return _arrow_schema(tuple(columns))


@lru_cache(maxsize=32)  # each batch asks for its tables', and they do not change
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
