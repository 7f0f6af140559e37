"""Add the columns that a table lacks, through PyIceberg.

Committers use it, and the tool that prepares a table; the flush path does not. It never changes a
type, and it never adds a column that the table's owner has dropped.

Source: Apache Iceberg table specification, "Schema Evolution"; PyIceberg's documentation,
"Schema evolution".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.types import (
    BooleanType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    StringType,
    TimestamptzType,
)

from otlp2parquet_ext.lake.iceberg.format.schema_match import Clash, ClashError, Matched, match
from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
from otlp2parquet_ext.lake.iceberg.model.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.types import PrimitiveType

    from otlp2parquet_ext.records.tables.columns import Column

ATTEMPTS = 5

TYPES: Mapping[str, PrimitiveType] = {
    "timestamptz": TimestamptzType(),
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
}


def evolve(catalog: Catalog, identifier: tuple[str, str], columns: Sequence[Column]) -> Matched:
    """Add our columns that a table never had.

    Names are in the table's own case, and the catalog chooses the ids. Added columns are optional,
    because existing rows have no values for them.

    Args:
        catalog: the catalog, of PyIceberg.
        identifier: namespace and name of the table.
        columns: our columns.

    Returns:
        The columns with which files fit the table from now on.

    Raises:
        ClashError: a column of the table does not fit; the table is unchanged.
        ConflictError: other writers changed the table during each attempt.
    """
    for _ in range(ATTEMPTS):
        table = catalog.load_table(identifier)
        found = match(_metadata(table), columns)
        if isinstance(found, Clash):
            raise ClashError(found.problem)
        if not found.missing:
            return found
        try:
            _add(table, found.missing)
        except CommitFailedException:
            continue
    name = ".".join(identifier)
    raise ConflictError(f"{name} was changed by other writers {ATTEMPTS} times in a row")


def _add(table: Table, missing: Sequence[Column]) -> None:
    lower = all(field.name == field.name.lower() for field in table.schema().fields)
    with table.update_schema() as update:
        for column in missing:
            name = column.name.lower() if lower else column.name
            update.add_column(name, iceberg_type(column), doc=column.doc, required=False)


def iceberg_type(column: Column) -> IcebergType:
    """Return a column's type in PyIceberg's form; the catalog assigns the ids of elements."""
    if not column.element_type:
        return TYPES[column.type]
    return ListType(
        element_id=column.element_id,
        element=TYPES[column.element_type],
        element_required=not column.element_nullable,
    )


def _metadata(table: Table) -> Metadata:
    return msgspec.json.decode(table.metadata.model_dump_json(), type=Metadata)
