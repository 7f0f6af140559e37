"""What a column is, and how a list of them becomes a pyarrow schema.

    Column (plain Python) --arrow_schema()--> pa.Schema --> Parquet, Iceberg

Field ids, types and order are the table; names are only names: a catalog that cannot bear
capitals gets the same table in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

TypeWord = Literal["timestamptz", "string", "int", "long", "double", "boolean"]
"""Iceberg's words for the types in use; `timestamptz` means microseconds in UTC."""


class Encoding(StrEnum):
    """How Parquet stores a column best; measured on the reference mix of log rows.

    `DICTIONARY` is Parquet's dictionary with its usual fall-back; the others switch it off.
    The two values besides are the names pyarrow's `column_encoding` takes.
    """

    DICTIONARY = "DICTIONARY"
    PLAIN = "PLAIN"
    DELTA_BINARY_PACKED = "DELTA_BINARY_PACKED"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        field_id: the id Iceberg and Parquet know the column by; 1…N in column order.
        name: in PascalCase; see `named` for lower case.
        type: Iceberg's word for the type.
        nullable: False makes it required in Iceberg, non-nullable in Arrow.
        doc: one sentence for the reader of the table.
        encoding: how the values are best stored.
        bloom_filter: worth a Parquet bloom filter, because readers ask for single values.
        bounds: whether least and greatest value are kept, for readers to skip files by: not of
            long text, which nobody compares, and which would lie four times in every footer.

    Source: reference tables.md, sections 1 and 2b.
    """

    field_id: int
    name: str
    type: TypeWord
    nullable: bool
    doc: str
    encoding: Encoding
    bloom_filter: bool = False
    bounds: bool = True


def arrow_type(word: TypeWord) -> pa.DataType:
    """Give the Arrow type a type word stands for."""
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


def named(columns: Sequence[Column], *, lower_case: bool) -> tuple[Column, ...]:
    """Give columns in the case a catalog can bear: `servicename` for S3 Tables and Glue.

    Source: reference tables.md, section 8.
    """
    if not lower_case:
        return tuple(columns)
    return tuple(replace(column, name=column.name.lower()) for column in columns)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Give the Arrow schema of a table, nullability and `PARQUET:field_id` included.

    Args:
        columns: in table order.
    """
    return pa.schema(
        [
            pa.field(
                column.name,
                arrow_type(column.type),
                nullable=column.nullable,
                metadata={"PARQUET:field_id": str(column.field_id)},
            )
            for column in columns
        ]
    )
