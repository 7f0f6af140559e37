"""Care of a table through PyIceberg: the columns it lacks are added.

Not on the flush path: for a committer, and for who prepares a table. Types are never changed, and
what an owner has dropped stays dropped.

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
    """Add to a table the columns of ours that it never had.

    Names are in the table's own case, ids are the catalog's choice, and added columns are
    optional: the rows that are there have no values for them.

    Args:
        catalog: PyIceberg's.
        identifier: namespace and name of the table.
        columns: ours.

    Returns:
        How files for the table have to be written from now on.

    Raises:
        ClashError: a column of the table does not fit; nothing was changed.
        ConflictError: others changed the table at the same time, again and again.
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
    raise ConflictError(f"{'.'.join(identifier)} was changed by others, {ATTEMPTS} times in a row")


def _add(table: Table, missing: Sequence[Column]) -> None:
    lower = all(field.name == field.name.lower() for field in table.schema().fields)
    with table.update_schema() as update:
        for column in missing:
            name = column.name.lower() if lower else column.name
            update.add_column(name, iceberg_type(column), doc=column.doc, required=False)


def iceberg_type(column: Column) -> IcebergType:
    """Return a column's type in PyIceberg's words; the catalog gives elements another id."""
    if not column.element_type:
        return TYPES[column.type]
    return ListType(
        element_id=column.element_id,
        element=TYPES[column.element_type],
        element_required=not column.element_nullable,
    )


def _metadata(table: Table) -> Metadata:
    return msgspec.json.decode(table.metadata.model_dump_json(), type=Metadata)
