"""Whether a table has only ever been appended to, proven from snapshot to snapshot. Pure.

Snapshots expire, so each of our commits writes into a property of the table up to which snapshot
it knows the whole history: appends, and merges of ours, each on top of the one before. A gap, a
rewrite, a rollback or a branch that became `main` ends the proof for good.

What hangs on it: in such a table every file that was ever committed is there now. A file of ours
that was stored since the table began, and is not there, was never committed: it can be, without a
row becoming two, or coming back from the dead.

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
"""Of a table's properties: see `_Proof`, with spaces between."""


class _Proof(NamedTuple):
    """Up to where the history is known.

    Attributes:
        number, snapshot_id: the last snapshot it includes; 0 and None for a table without any.
        since_ms: Unix ms at which the table began; None when there is no proof yet.
    """

    number: int
    snapshot_id: int | None
    since_ms: int | None


def appends_only_since(metadata: Metadata) -> int | None:
    """Return when the table began, Unix ms, if all that happened to its rows is appends.

    Returns:
        None when that is not so, or not known.
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
    """Return the property as it is after a snapshot of ours that adds files, or merges manifests.

    Args:
        metadata: before that snapshot.
        sequence_number, snapshot_id: of it.
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
    """Tell whether a snapshot removed nothing: an append, or a merge of ours."""
    summary = snapshot.get("summary", {})
    operation = summary.get("operation")
    return bool(operation == "append" or (operation == "replace" and NAMES in summary))
