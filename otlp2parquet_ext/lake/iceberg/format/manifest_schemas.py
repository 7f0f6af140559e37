"""The Avro schemas of manifests and manifest lists, format versions 2 and 3, as data.

    entry_schema(partition)  one entry of a manifest: a data file and its statistics
    MANIFEST_FILE            one entry of a manifest list: a manifest

Source: Apache Iceberg table specification, "Manifests" and "Manifest Lists".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.iceberg.format.avro import Schema

DATE: Schema = {"type": "int", "logicalType": "date"}


def _required(field_id: int, name: str, kind: Schema) -> Schema:
    return {"name": name, "type": kind, "field-id": field_id}


def _optional(field_id: int, name: str, kind: Schema) -> Schema:
    return {"name": name, "type": ["null", kind], "default": None, "field-id": field_id}


def _record(name: str, fields: Sequence[Schema]) -> Schema:
    return {"type": "record", "name": name, "fields": list(fields)}


def _by_column(key_id: int, value_id: int, kind: Schema) -> Schema:
    """Return the schema of a map from column id to `kind`; Avro's own maps allow only text keys."""
    pair = [_required(key_id, "key", "int"), _required(value_id, "value", kind)]
    items = _record(f"k{key_id}_v{value_id}", pair)
    return {"type": "array", "logicalType": "map", "items": items}


def entry_schema(partition: Sequence[Schema], version: int = 2) -> Schema:
    """Return the schema of a manifest's entries.

    Args:
        partition: the fields of the partition tuple.
        version: the format version, 2 or 3; in 3 a file may have the id of its first row.
    """
    first_row_id = () if version < 3 else (_optional(142, "first_row_id", "long"),)
    data_file = (
        _required(134, "content", "int"),
        _required(100, "file_path", "string"),
        _required(101, "file_format", "string"),
        _required(102, "partition", _record("r102", partition)),
        _required(103, "record_count", "long"),
        _required(104, "file_size_in_bytes", "long"),
        _optional(108, "column_sizes", _by_column(117, 118, "long")),
        _optional(109, "value_counts", _by_column(119, 120, "long")),
        _optional(110, "null_value_counts", _by_column(121, 122, "long")),
        _optional(137, "nan_value_counts", _by_column(138, 139, "long")),
        _optional(125, "lower_bounds", _by_column(126, 127, "bytes")),
        _optional(128, "upper_bounds", _by_column(129, 130, "bytes")),
        _optional(131, "key_metadata", "bytes"),
        _optional(132, "split_offsets", {"type": "array", "items": "long", "element-id": 133}),
        _optional(135, "equality_ids", {"type": "array", "items": "int", "element-id": 136}),
        _optional(140, "sort_order_id", "int"),
        *first_row_id,
    )
    entry = (
        _required(0, "status", "int"),
        _optional(1, "snapshot_id", "long"),
        _optional(3, "sequence_number", "long"),
        _optional(4, "file_sequence_number", "long"),
        _required(2, "data_file", _record("r2", data_file)),
    )
    return _record("manifest_entry", entry)


def partition_field(field_id: int, name: str, kind: Schema) -> Schema:
    """Return one field of the partition tuple; a partition value may be null."""
    return _optional(field_id, name, kind)


_SUMMARY: Schema = _record(
    "r508",
    (
        _required(509, "contains_null", "boolean"),
        _optional(518, "contains_nan", "boolean"),
        _optional(510, "lower_bound", "bytes"),
        _optional(511, "upper_bound", "bytes"),
    ),
)

_MANIFEST_FIELDS: Sequence[Schema] = (
    _required(500, "manifest_path", "string"),
    _required(501, "manifest_length", "long"),
    _required(502, "partition_spec_id", "int"),
    _required(517, "content", "int"),
    _required(515, "sequence_number", "long"),
    _required(516, "min_sequence_number", "long"),
    _required(503, "added_snapshot_id", "long"),
    _required(504, "added_files_count", "int"),
    _required(505, "existing_files_count", "int"),
    _required(506, "deleted_files_count", "int"),
    _required(512, "added_rows_count", "long"),
    _required(513, "existing_rows_count", "long"),
    _required(514, "deleted_rows_count", "long"),
    _optional(507, "partitions", {"type": "array", "items": _SUMMARY, "element-id": 508}),
    _optional(519, "key_metadata", "bytes"),
)
MANIFEST_FILE: Schema = _record("manifest_file", _MANIFEST_FIELDS)
MANIFEST_FILE_V3: Schema = _record(
    "manifest_file", (*_MANIFEST_FIELDS, _optional(520, "first_row_id", "long"))
)
"""In format version 3 each manifest of data files has the id of its first row."""
