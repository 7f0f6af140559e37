"""One append as a change of a table's metadata: pure.

    metadata + snapshot --> TableChange --applied()--> the next metadata

REST catalogs receive the `TableChange` itself. For catalogs with metadata files, this module
applies it. Metadata is parsed JSON and is never modified; unknown fields are copied unchanged into
the next version.

Source: Apache Iceberg table specification, "Table Metadata Fields", "Snapshots".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.lake.iceberg.format.table_properties import PREVIOUS_VERSIONS, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

Metadata = dict[str, Any]

MAIN = "main"
LINEAGE_VERSION = 3
"""The first format version in which rows have ids."""

PREVIOUS_VERSIONS_DEFAULT = 100


class TableChange(msgspec.Struct, frozen=True):
    """The changes of one commit.

    Attributes:
        snapshot: the new head of `main`.
        expired: ids of the snapshots to remove.
        properties: table properties to set.
    """

    snapshot: Mapping[str, Any]
    expired: frozenset[int]
    properties: Mapping[str, str]


def current_snapshot(metadata: Metadata) -> Mapping[str, Any] | None:
    """Return the head of `main`; None for a table without snapshots."""
    head = metadata.get("current-snapshot-id")
    found = (s for s in metadata.get("snapshots", ()) if s["snapshot-id"] == head)
    return next(found, None)


def next_sequence_number(metadata: Metadata) -> int:
    """Return the sequence number of the next snapshot."""
    return int(metadata.get("last-sequence-number", 0)) + 1


def next_row_id(metadata: Metadata) -> int | None:
    """Return the first free row id; None for a table of a version without row ids.

    Raises:
        ValueError: the metadata lacks it, so a commit could give ids twice.
    """
    if metadata.get("format-version", 2) < LINEAGE_VERSION:
        return None
    found = metadata.get("next-row-id")
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"next-row-id is {found!r}: expected a whole number from 0")
    return found


def new_snapshot(
    metadata: Metadata,
    snapshot_id: int,
    manifest_list: str,
    summary: Mapping[str, str],
    now_ms: int,
    *,
    added_rows: int = 0,
) -> dict[str, Any]:
    """Return a snapshot on top of the current one.

    Its time is never before its parent's, even if a writer's clock is wrong. In a table with row
    ids it takes the next `added_rows` of them.
    """
    parent = current_snapshot(metadata)
    row_id = next_row_id(metadata)
    lineage = {} if row_id is None else {"first-row-id": row_id, "added-rows": added_rows}
    return {
        "snapshot-id": snapshot_id,
        **({} if parent is None else {"parent-snapshot-id": parent["snapshot-id"]}),
        "sequence-number": next_sequence_number(metadata),
        "timestamp-ms": max(now_ms, metadata["last-updated-ms"]),
        "manifest-list": manifest_list,
        "summary": dict(summary),
        "schema-id": metadata["current-schema-id"],
        **lineage,
    }


def append_summary(
    parent: Mapping[str, Any] | None, files: Sequence[DataFile], partitions: int
) -> dict[str, str]:
    """Return the summary of a snapshot that adds files, with totals if the parent has them.

    Args:
        parent: the snapshot before; a total that it lacks is left out.
        files: n > 0 added files.
        partitions: number of partitions of these files.
    """
    added = {
        "data-files": len(files),
        "records": sum(file.rows for file in files),
        "files-size": sum(file.size_bytes for file in files),
    }
    before = EMPTY_TOTALS if parent is None else parent.get("summary", {})
    totals = {
        total: str(int(before[total]) + added.get(total.removeprefix("total-"), 0))
        for total in EMPTY_TOTALS
        if total in before
    }
    adds = {f"added-{what}": str(number) for what, number in added.items()}
    return {"operation": "append", **adds, "changed-partition-count": str(partitions), **totals}


EMPTY_TOTALS: Mapping[str, str] = {
    "total-data-files": "0",
    "total-delete-files": "0",
    "total-records": "0",
    "total-files-size": "0",
    "total-position-deletes": "0",
    "total-equality-deletes": "0",
}


def applied(metadata: Metadata, change: TableChange, location: str) -> Metadata:
    """Return the metadata after a change.

    Args:
        metadata: before the change.
        change: a change made for exactly this metadata.
        location: address of the metadata before the change.
    """
    snapshot = change.snapshot
    head, time_ms = snapshot["snapshot-id"], snapshot["timestamp-ms"]
    kept = [s for s in metadata.get("snapshots", ()) if s["snapshot-id"] not in change.expired]
    refs = metadata.get("refs", {})
    previous = {"metadata-file": location, "timestamp-ms": metadata["last-updated-ms"]}
    properties = metadata.get("properties", {}) | change.properties
    row_ids = {}
    if "first-row-id" in snapshot:
        row_ids = {"next-row-id": snapshot["first-row-id"] + snapshot["added-rows"]}
    return (
        metadata
        | row_ids
        | {
            "last-sequence-number": snapshot["sequence-number"],
            "last-updated-ms": time_ms,
            "current-snapshot-id": head,
            "snapshots": [*kept, snapshot],
            "refs": refs | {MAIN: {"type": "branch"} | refs.get(MAIN, {}) | {"snapshot-id": head}},
            "properties": properties,
            "snapshot-log": [
                *_log_without(metadata.get("snapshot-log", ()), change.expired),
                {"snapshot-id": head, "timestamp-ms": time_ms},
            ],
            "metadata-log": [*metadata.get("metadata-log", ()), previous][-_versions(properties) :],
        }
    )


def _log_without(
    log: Iterable[Mapping[str, Any]], expired: frozenset[int]
) -> list[Mapping[str, Any]]:
    """Return the log after its last expired entry, because it must not have gaps."""
    rest: list[Mapping[str, Any]] = []
    for entry in log:
        rest = [] if entry["snapshot-id"] in expired else [*rest, entry]
    return rest


def _versions(properties: Mapping[str, str]) -> int:
    asked = number(properties, PREVIOUS_VERSIONS)
    return PREVIOUS_VERSIONS_DEFAULT if asked is None else max(1, asked)
