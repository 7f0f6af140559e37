"""Everything that PyIceberg reports of a table, for comparing two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


def without(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Leave out the fields that differ between any two commits."""
    return {key: kept for key, kept in value.items() if key not in keys}


def as_seen(table: Table) -> dict[str, Any]:
    """Return everything that PyIceberg reports of a table, without ids, times and paths.

    PyIceberg counts no NaN and names no sort order; ours are tested by themselves.
    """
    rows = table.scan().to_arrow()
    files = table.inspect.files().to_pylist()
    partitions = table.inspect.partitions().to_pylist()
    snapshots = table.inspect.snapshots().to_pylist()
    manifests = table.inspect.manifests().to_pylist()
    changing = ("committed_at", "snapshot_id", "parent_id", "manifest_list")
    return {
        "rows": sorted(map(str, rows.to_pylist())),
        "files": sorted((without(f, "nan_value_counts", "sort_order_id") for f in files), key=str),
        "partitions": sorted(
            (without(p, "last_updated_at", "last_updated_snapshot_id") for p in partitions), key=str
        ),
        "snapshots": [
            without(s, *changing) | {"summary": sorted(map(str, s["summary"]))} for s in snapshots
        ],
        "manifests": sorted(
            (without(m, "path", "length", "added_snapshot_id") for m in manifests), key=str
        ),
    }


def with_little(files: list[DataFile]) -> list[DataFile]:
    """Let PyIceberg read the footers and compute its own statistics."""
    return [msgspec.structs.replace(file, statistics=None) for file in files]
