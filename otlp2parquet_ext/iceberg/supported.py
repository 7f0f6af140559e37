"""What the lean append refuses before it writes anything.

A table may be anybody's. Whatever we would not append to correctly is named here, with what to
do; the files stay in the inbox, for a committer that can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.iceberg import CommitError
from otlp2parquet_ext.iceberg.manifest import Partitioning
from otlp2parquet_ext.iceberg.snapshot import current_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from otlp2parquet_ext.iceberg.snapshot import Metadata
    from otlp2parquet_ext.tables.columns import Column

FORMAT_VERSION = 2
PROMOTIONS = {("int", "long"), ("float", "double")}


def partitioning(metadata: Metadata, columns: Sequence[Column]) -> Partitioning:
    """Return how the table is partitioned.

    Args:
        metadata: the table's.
        columns: those of our files; the first is the time they are partitioned by.

    Raises:
        CommitError: a table this append does not support; says why.
    """
    _check_format(metadata)
    _check_history(metadata)
    _check_columns(current_schema(metadata), columns)
    specs = {spec["spec-id"]: spec["fields"] for spec in metadata["partition-specs"]}
    fields = specs[metadata["default-spec-id"]]
    if [(f["source-id"], f["transform"]) for f in fields] not in (
        [],
        [(columns[0].field_id, "day")],
    ):
        shape = ", ".join(f"{f['transform']}({f['name']})" for f in fields)
        raise CommitError(
            f"the table is partitioned by {shape}; our files are one for each day: expected "
            f"day({columns[0].name}) or no partitions"
        )
    return Partitioning(metadata["default-spec-id"], fields)


def current_schema(metadata: Metadata) -> Mapping[str, Any]:
    """Return the table's current schema."""
    current = metadata["current-schema-id"]
    return next(schema for schema in metadata["schemas"] if schema["schema-id"] == current)


def _check_format(metadata: Metadata) -> None:
    version = metadata.get("format-version")
    if version != FORMAT_VERSION:
        raise CommitError(f"the table has format version {version}; expected {FORMAT_VERSION}")
    properties = metadata.get("properties", {})
    if metadata.get("encryption-keys") or any(p.startswith("encryption.") for p in properties):
        raise CommitError("the table is encrypted; our files are not")


def _check_history(metadata: Metadata) -> None:
    """Refuse a table whose current snapshot cannot be built on: we would lose what it holds."""
    head, snapshot = metadata.get("current-snapshot-id"), current_snapshot(metadata)
    if snapshot is None and head not in (None, -1):
        raise CommitError(f"the table's current snapshot {head} is not in its metadata")
    if snapshot is not None and "manifest-list" not in snapshot:
        raise CommitError(f"the table's current snapshot {head} has no manifest list")


def _check_columns(schema: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """Refuse a schema in which a field id of ours means something else.

    Names may differ: a column keeps its id when it is renamed. Columns may be missing: dropped.
    """
    ours = {column.field_id: column for column in columns}
    _check_numbers(schema["fields"], ours)
    for field in schema["fields"]:
        column = ours.get(field["id"])
        if column is None:
            if field["required"]:
                raise CommitError(f"the table requires a column {field['name']}, which we have not")
        elif column.type != field["type"] and (column.type, field["type"]) not in PROMOTIONS:
            raise CommitError(
                f"the table's column {field['name']} is {field['type']}; ours of that id, "
                f"{column.name}, is {column.type}"
            )
        elif column.nullable and field["required"]:
            raise CommitError(f"the table requires {field['name']}; ours may be null")


def _check_numbers(fields: Sequence[Mapping[str, Any]], ours: Mapping[int, Column]) -> None:
    """Refuse a schema that has names of ours at other ids.

    Such a table was not made from our columns, or its catalog has numbered them anew: values
    would appear in the wrong columns, or in none. Unless ours is there, too, under a new name.
    """
    ids = {column.name.lower(): column.field_id for column in ours.values()}
    renamed = {f["id"] for f in fields if f["id"] in ours and f["name"].lower() not in ids}
    for field in fields:
        expected = ids.get(field["name"].lower(), field["id"])
        if expected != field["id"] and expected not in renamed:
            raise CommitError(
                f"the table's column {field['name']} has field id {field['id']}, in our files it "
                f"is {expected}: the table was not made from our columns, or was numbered anew"
            )
