"""Checks of a table before the lean append writes to it.

The table may come from another program. These checks refuse each table that the lean append cannot
append to correctly; the message names the remedy. The files stay in the inbox for a later commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.manifest import Partitioning
from otlp2parquet_ext.lake.iceberg.format.schema_match import (
    Clash,
    ClashError,
    Matched,
    MisfitError,
    current_fields,
    match,
)
from otlp2parquet_ext.lake.iceberg.format.snapshot import current_snapshot
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
    from otlp2parquet_ext.records.tables.columns import Column

FORMAT_VERSIONS = (2, 3)
INSTEAD = (
    "rows go to plain Parquet files beside the table until the column is changed or {variable} "
    "names another table"
)


def partitioning(metadata: Metadata, columns: Sequence[Column]) -> Partitioning:
    """Return the table's partitioning.

    Args:
        metadata: the table's metadata.
        columns: our columns; the first is the time that partitions our files.

    Raises:
        CommitError: the lean append does not support this table; the message states the reason.
    """
    _check_format(metadata)
    _check_history(metadata)
    fit = fitting(metadata, columns)
    _check_defaults(metadata, fit)
    time = fit.columns[0]
    specs = {spec["spec-id"]: spec["fields"] for spec in metadata["partition-specs"]}
    fields = specs[metadata["default-spec-id"]]
    if [(f.get("source-id"), f["transform"]) for f in fields] not in (
        [],
        [(time.field_id, "day")],
    ):
        shape = ", ".join(f"{f['transform']}({f['name']})" for f in fields)
        raise CommitError(
            f"the table is partitioned by {shape}; our files are one for each day: expected "
            f"day({time.name}) or no partitions"
        )
    return Partitioning(metadata["default-spec-id"], fields, metadata["format-version"])


def check_files(metadata: Metadata, columns: Sequence[Column], files: Sequence[DataFile]) -> None:
    """Refuse files with other field ids than the table's.

    Args:
        metadata: the table's metadata.
        columns: our columns.
        files: the files to append.

    Raises:
        MisfitError: the files fit after a rewrite with other ids.
        ClashError: no rewrite makes them fit.
    """
    fit = fitting(metadata, columns)
    if misfits := [file.name for file in files if file.fields != fit.tag]:
        raise MisfitError(fit, misfits)


def fitting(metadata: Metadata, columns: Sequence[Column]) -> Matched:
    """Return the columns with which files fit the table.

    Raises:
        ClashError: a column of the table does not fit our files.
    """
    found = match(metadata, columns)
    if isinstance(found, Clash):
        raise ClashError(f"{found.problem}; {INSTEAD.format(variable=_variable(columns))}")
    return found


def _variable(columns: Sequence[Column]) -> str:
    """Return the setting that names the table of these columns."""
    found = (name for name, known in TABLES.items() if known == tuple(columns))
    return f"OTLP2PARQUET_TABLE_{next(found, '…').upper()}"


def current_schema(metadata: Metadata) -> Mapping[str, Any]:
    """Return the table's current schema."""
    current = metadata["current-schema-id"]
    return next(schema for schema in metadata["schemas"] if schema["schema-id"] == current)


def _check_format(metadata: Metadata) -> None:
    version = metadata.get("format-version")
    if version not in FORMAT_VERSIONS:
        raise CommitError(f"the table has format version {version}; expected 2 or 3")
    properties = metadata.get("properties", {})
    if metadata.get("encryption-keys") or any(p.startswith("encryption.") for p in properties):
        raise CommitError("the table is encrypted; our files are not")


def _check_defaults(metadata: Metadata, fit: Matched) -> None:
    """Refuse a column that our files lack, if its two default values differ.

    Readers fill a missing column with `initial-default`. Since format version 3, writers must write
    `write-default`, and our files do not.
    """
    ours = {column.field_id for column in fit.columns}
    for field in current_fields(metadata):
        value = field.get("write-default")
        if field["id"] not in ours and value not in (None, field.get("initial-default")):
            raise CommitError(
                f"the table's column {field['name']} has the write-default {quote(repr(value))}, "
                "and our files lack the column: expected none, or the same as its initial-default"
            )


def _check_history(metadata: Metadata) -> None:
    """Refuse a table whose current snapshot is missing: a commit would lose the rows in it."""
    head, snapshot = metadata.get("current-snapshot-id"), current_snapshot(metadata)
    if snapshot is None and head not in (None, -1):
        raise CommitError(f"the table's current snapshot {head} is not in its metadata")
    if snapshot is not None and "manifest-list" not in snapshot:
        raise CommitError(f"the table's current snapshot {head} has no manifest list")
