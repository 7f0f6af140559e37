"""The metadata of a new table. Pure.

Source: Apache Iceberg table specification, "Table Metadata Fields".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.records.tables.columns import Column

FIRST_PARTITION_ID = 1_000

PROPERTIES: Mapping[str, str] = {
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def new_table(
    columns: Sequence[Column], location: str, now_ms: int, *, lower_case: bool = False
) -> Metadata:
    """Return the metadata of an empty table, partitioned by the day of its first column.

    Args:
        columns: columns in the table's order; the first is a time.
        location: location of the table; "" lets the catalog choose.
        now_ms: the current time, Unix ms.
        lower_case: name columns and partition in lower case, as S3 Tables and Glue require.
    """
    time = columns[0]
    day = {
        "source-id": time.field_id,
        "field-id": FIRST_PARTITION_ID,
        "name": _cased(f"{time.name}_day", lower_case=lower_case),
        "transform": "day",
    }
    return {
        "format-version": 2,
        "table-uuid": str(uuid4()),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now_ms,
        "last-column-id": max(max(c.field_id, c.element_id) for c in columns),
        "current-schema-id": 0,
        "schemas": [schema(columns, lower_case=lower_case)],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": [day]}],
        "last-partition-id": FIRST_PARTITION_ID,
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": dict(PROPERTIES),
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
    }


def schema(columns: Sequence[Column], *, lower_case: bool = False) -> dict[str, object]:
    """Return columns as an Iceberg schema."""
    fields = [
        {
            "id": column.field_id,
            "name": _cased(column.name, lower_case=lower_case),
            "required": not column.nullable,
            "type": field_type(column),
            "doc": column.doc,
        }
        for column in columns
    ]
    return {"type": "struct", "schema-id": 0, "identifier-field-ids": [], "fields": fields}


def field_type(column: Column) -> str | dict[str, object]:
    """Return a column's type in the form of an Iceberg schema."""
    if not column.element_type:
        return column.type
    return {
        "type": "list",
        "element-id": column.element_id,
        "element": column.element_type,
        "element-required": not column.element_nullable,
    }


def _cased(name: str, *, lower_case: bool) -> str:
    return name.lower() if lower_case else name
