"""Write descriptors as a manifest, and the manifest as one more line of a manifest list. Pure.

    descriptors --manifest()--> Avro bytes
    old manifest list + that manifest --extended_list()--> Avro bytes

An added file has no sequence number of its own: readers take it from the manifest list. So a
manifest stays valid when its snapshot gets another number after a conflict.

Source: Apache Iceberg table specification, "Manifests", "Sequence Number Inheritance".
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError, Schema
from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile, new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import (
    DATE,
    MANIFEST_FILE,
    MANIFEST_FILE_V3,
    entry_schema,
    partition_field,
)
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

ADDED = 1
DATA = 0
MANIFEST_CODEC = "deflate"
UNSORTED = 0
"""The id of the sort order of unsorted files, in every table."""

OURS = re.compile(r"otlp2parquet-[0-9a-f-]{36}-m\d+\.avro")
"""Names of our manifests; merging considers only these."""

LIST_CODEC = "null"
"""Codec of manifest lists: no compression, because each block has one short record, and readers are
faster without."""


class Partitioning(msgspec.Struct, frozen=True):
    """The table's default partition spec.

    Attributes:
        spec_id: id of the spec.
        fields: its fields in the table's metadata: `day` of a column, or none.
        format_version: format version of the table and its new manifests, 2 or 3.
    """

    spec_id: int
    fields: Sequence[Mapping[str, Any]]
    format_version: int = 2

    def partition_of(self, file: DataFile) -> dict[int, int]:
        """Return a file's partition: field id to value."""
        return {field["field-id"]: file.day for field in self.fields}


class Manifest(msgspec.Struct, frozen=True):
    """The facts about a stored manifest for its line of the manifest list.

    Attributes:
        path: its address.
        length: length of the file.
        snapshot_id: the snapshot that adds it.
        spec_id: the partition spec of its files.
        files, rows: numbers of added files and rows.
        partitions: number of partitions of these files.
        summaries: summaries of the partition's fields.
    """

    path: str
    length: int
    snapshot_id: int
    spec_id: int
    files: int
    rows: int
    partitions: int
    summaries: Sequence[Mapping[int, object]]

    def record(self, sequence_number: int, first_row_id: int | None = None) -> dict[int, object]:
        """Return the manifest's line of the manifest list.

        Args:
            sequence_number: of the snapshot that adds it.
            first_row_id: id of its first row; None in tables without row ids.
        """
        counts = {504: self.files, 505: 0, 506: 0, 512: self.rows, 513: 0, 514: 0}
        return counts | {
            500: self.path,
            501: self.length,
            502: self.spec_id,
            517: DATA,
            515: sequence_number,
            516: sequence_number,
            503: self.snapshot_id,
            507: self.summaries,
            520: first_row_id,
        }


def new_name() -> str:
    """Return a new, unique name for a manifest."""
    return f"otlp2parquet-{uuid4()}-m0.avro"


def describe(
    files: Sequence[DataFile], path: str, length: int, snapshot_id: int, partitioning: Partitioning
) -> Manifest:
    """Return the facts about the manifest of `files`."""
    days = {file.day for file in files}
    first, last = (struct.pack("<i", day) for day in (min(days), max(days)))
    summary = {509: False, 518: False, 510: first, 511: last}
    return Manifest(
        path=path,
        length=length,
        snapshot_id=snapshot_id,
        spec_id=partitioning.spec_id,
        files=len(files),
        rows=sum(file.rows for file in files),
        partitions=len(days) if partitioning.fields else 1,
        summaries=[summary for _ in partitioning.fields],
    )


def manifest(
    files: Sequence[DataFile],
    snapshot_id: int,
    partitioning: Partitioning,
    schema: Mapping[str, Any],
) -> bytes:
    """Return a manifest that adds `files`.

    Args:
        files: n > 0 descriptors.
        snapshot_id: id of the snapshot that adds them.
        partitioning: the table's partitioning.
        schema: the table's current schema, in the form of the metadata.
    """
    entries = [_entry(file, snapshot_id, partitioning) for file in files]
    empty = new_file(manifest_schema(partitioning), MANIFEST_CODEC)
    return empty.adding(entries, header(partitioning, schema)).encode()


def manifest_schema(partitioning: Partitioning) -> Schema:
    """Return the schema of the entries of our manifests."""
    fields = [partition_field(f["field-id"], f["name"], DATE) for f in partitioning.fields]
    return entry_schema(fields, partitioning.format_version)


def header(partitioning: Partitioning, schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of a manifest's header."""
    json = msgspec.json.encode
    return {
        "schema": json(schema).decode(),
        "schema-id": str(schema["schema-id"]),
        "partition-spec": json(partitioning.fields).decode(),
        "partition-spec-id": str(partitioning.spec_id),
        "format-version": str(partitioning.format_version),
        "content": "data",
    }


def _entry(file: DataFile, snapshot_id: int, partitioning: Partitioning) -> dict[int, object]:
    data_file: dict[int, object] = {
        134: DATA,
        100: file.path,
        101: "PARQUET",
        102: partitioning.partition_of(file),
        103: file.rows,
        104: file.size_bytes,
        140: UNSORTED,
    }
    if file.statistics is not None:
        data_file |= {
            108: file.statistics.column_sizes,
            109: file.statistics.value_counts,
            110: file.statistics.null_value_counts,
            137: file.statistics.nan_value_counts,
            125: file.statistics.lower_bounds,
            128: file.statistics.upper_bounds,
            132: file.statistics.split_offsets,
        }
    return {0: ADDED, 1: snapshot_id, 2: data_file}


def extended_list(
    old: AvroFile | None,
    added: Manifest,
    sequence_number: int,
    parent_id: int | None,
    first_row_id: int | None = None,
) -> AvroFile:
    """Return the parent's manifest list with one more manifest.

    Args:
        old: the parent's list; None without a parent.
        added: the manifest.
        sequence_number: sequence number of the new snapshot.
        parent_id: id of the parent snapshot.
        first_row_id: id of the manifest's first row; None in tables without row ids.

    Raises:
        CommitError: the old list has a form that cannot be extended.
    """
    version = 2 if first_row_id is None else 3
    lines = old or new_file(MANIFEST_FILE if version == 2 else MANIFEST_FILE_V3, LIST_CODEC)
    try:
        check_fields(lines.schema)
        return lines.adding(
            [added.record(sequence_number, first_row_id)],
            list_header(added.snapshot_id, parent_id, sequence_number, version),
        )
    except AvroError as error:
        raise CommitError(f"the table's manifest list cannot be added to: {error}") from error


def list_header(
    snapshot_id: int, parent_id: int | None, sequence_number: int, version: int = 2
) -> dict[str, str]:
    """Return the entries of a manifest list's header."""
    return {
        "snapshot-id": str(snapshot_id),
        "parent-snapshot-id": "null" if parent_id is None else str(parent_id),
        "sequence-number": str(sequence_number),
        "format-version": str(version),
    }


def open_list(data: bytes) -> AvroFile:
    """Open a manifest list.

    Raises:
        CommitError: the bytes are no manifest list.
    """
    try:
        return open_file(data)
    except AvroError as error:
        raise CommitError(f"the table's manifest list cannot be read: {error}") from error


KNOWN = {field["field-id"] for field in MANIFEST_FILE["fields"]}
REQUIRED = {f["field-id"] for f in MANIFEST_FILE["fields"] if not isinstance(f["type"], list)}


def check_fields(schema: Schema) -> None:
    """Refuse a list whose records have unknown required fields, or lack those of version 2.

    Raises:
        AvroError: the list is refused.
    """
    fields = {field.get("field-id"): field["type"] for field in schema["fields"]}
    unknown = [f for f, kind in fields.items() if f not in KNOWN and "null" not in kind]
    if unknown or REQUIRED - fields.keys():
        raise AvroError("its records are not those of format version 2")
