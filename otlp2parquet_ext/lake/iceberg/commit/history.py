"""Prove that a table has only ever been appended to, snapshot by snapshot. Pure.

Snapshots expire, so each of our commits writes a property: the snapshot up to which the whole
history is known. A known history has only appends and our merges, each on top of the one before. A
gap, a rewrite, a rollback or a branch that became `main` ends the proof permanently.

The consequence: in such a table all files that were ever committed are there now. So a file of ours
that was stored after the table began, and that is not in the table, was never committed. It can be
committed without duplicating rows and without restoring deleted ones.

Source: Apache Iceberg table specification, "Snapshots".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.lake.iceberg.commit.ledger import NAMES
from otlp2parquet_ext.lake.iceberg.format.snapshot import current_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

APPENDS_ONLY = "otlp2parquet_ext.appends-only"
"""Table property with the fields of `_Proof`, separated by spaces."""


class _Proof(NamedTuple):
    """The part of the history that is known.

    Attributes:
        number, snapshot_id: the last snapshot it includes; 0 and None for a table without any.
        since_ms: Unix ms at which the table began; None without a proof.
    """

    number: int
    snapshot_id: int | None
    since_ms: int | None


def appends_only_since(metadata: Metadata) -> int | None:
    """Return the Unix ms at which the table began, if its rows were only ever appended.

    Returns:
        None if rows were removed, or if the history is not known.
    """
    proof = _read(metadata.get("properties", {}))
    snapshot, expected = current_snapshot(metadata), metadata.get("last-sequence-number", 0)
    if snapshot is None:
        empty = expected == proof.number == 0
        return metadata["last-updated-ms"] if empty else None
    snapshots = {s["snapshot-id"]: s for s in metadata["snapshots"]}
    while snapshot is not None and snapshot.get("sequence-number") == expected > proof.number:
        if not _only_adds(snapshot):
            return None
        parent_id = snapshot.get("parent-snapshot-id")
        if expected - 1 == proof.number:
            began_ms = snapshot["timestamp-ms"] if proof.since_ms is None else proof.since_ms
            return began_ms if parent_id == proof.snapshot_id else None
        snapshot, expected = snapshots.get(parent_id), expected - 1
    known = snapshot is not None and snapshot["snapshot-id"] == proof.snapshot_id
    return proof.since_ms if known and expected == proof.number else None


def proof(metadata: Metadata, sequence_number: int, snapshot_id: int) -> dict[str, str]:
    """Return the property's value after our snapshot that adds files or merges manifests.

    Args:
        metadata: the table's metadata before that snapshot.
        sequence_number, snapshot_id: those of the snapshot.
    """
    since_ms = appends_only_since(metadata)
    if since_ms is None:
        return {}
    return {APPENDS_ONLY: f"{sequence_number} {snapshot_id} {since_ms}"}


def _read(properties: Mapping[str, str]) -> _Proof:
    try:
        number, snapshot_id, since_ms = map(int, properties[APPENDS_ONLY].split())
        return _Proof(number, snapshot_id, since_ms)
    except (KeyError, ValueError):
        return _Proof(0, None, None)


def _only_adds(snapshot: Mapping[str, Any]) -> bool:
    """Return whether a snapshot removed no rows: it is an append, or a merge of ours."""
    summary = snapshot.get("summary", {})
    operation = summary.get("operation")
    return bool(operation == "append" or (operation == "replace" and NAMES in summary))
