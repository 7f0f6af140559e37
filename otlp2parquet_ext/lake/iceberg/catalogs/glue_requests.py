"""The documents of Glue's table requests, for a new table and for a commit. Pure.

    columns --new_input()--> TableInput          (CreateTable)
    Table --moved_input()--> TableInput          (UpdateTable)

A commit changes only the location of the metadata. Other fields that Athena, Spark, Lake Formation
or a person have set stay unchanged.

Source: AWS Glue web API reference, "Table", "TableInput"; Apache Iceberg, AWS module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.records.tables.columns import Column

VERSION = "AWSGlue"
KIND = "table_type"
ICEBERG = "ICEBERG"
LOCATION = "metadata_location"
PREVIOUS = "previous_metadata_location"

INPUT_FIELDS = (
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
    "ViewDefinition",
)
"""Fields of a `Table` that an update accepts; only Glue itself sets the others."""

TYPES = {
    "timestamptz": "timestamp",
    "string": "string",
    "int": "int",
    "long": "bigint",
    "double": "double",
    "boolean": "boolean",
}
COMMENT_CHARACTERS = 255


class GlueTable(msgspec.Struct, frozen=True):
    """A table in Glue's form.

    Attributes:
        fields: Glue's `Table`.
    """

    fields: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return its parameters."""
        return self.fields.get("Parameters") or {}

    @property
    def location(self) -> str | None:
        """Return the location of the metadata; None if it is no Iceberg table."""
        iceberg = self.parameters.get(KIND, "").upper() == ICEBERG
        return self.parameters.get(LOCATION) if iceberg else None


def headers(operation: str) -> dict[str, str]:
    """Return the headers of a request for an operation."""
    return {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"{VERSION}.{operation}",
    }


def new_input(
    name: str, columns: Sequence[Column], location: str, metadata: str
) -> dict[str, object]:
    """Return the input that creates a table.

    Args:
        name: name of the table.
        columns: columns that consoles and engines without Iceberg show, in lower case.
        location: location of the table.
        metadata: location of its metadata.
    """
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {KIND: ICEBERG, LOCATION: metadata},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Location": location,
            "Columns": [_column(column) for column in columns],
        },
    }


def _column(column: Column) -> dict[str, object]:
    element = column.element_type
    return {
        "Name": column.name.lower(),
        "Type": f"array<{TYPES[element]}>" if element else TYPES[column.type],
        "Comment": column.doc[:COMMENT_CHARACTERS],
        "Parameters": {
            "iceberg.field.id": str(column.field_id),
            "iceberg.field.optional": str(column.nullable).lower(),
            "iceberg.field.current": "true",
        },
    }


def moved_input(table: GlueTable, metadata: str) -> dict[str, object]:
    """Return the input that changes only the location of the table's metadata."""
    kept = {field: table.fields[field] for field in INPUT_FIELDS if field in table.fields}
    moved = {LOCATION: metadata, PREVIOUS: table.location}
    return kept | {"Parameters": {**table.parameters, **moved}}
