"""Convert a `TableChange` to PyIceberg's updates and requirements. Pure.

Source: Apache Iceberg REST catalog specification, "TableUpdate", "TableRequirement".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
)

from otlp2parquet_ext.lake.iceberg.format.snapshot import MAIN, current_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table.update import TableRequirement, TableUpdate

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata, TableChange


def requirements(base: Metadata) -> tuple[TableRequirement, ...]:
    """Return the conditions of the commit: the table's UUID and its current snapshot."""
    head = current_snapshot(base)
    head_id = None if head is None else head["snapshot-id"]
    return (
        AssertTableUUID(uuid=UUID(base["table-uuid"])),
        AssertRefSnapshotId.model_validate({"ref": MAIN, "snapshot-id": head_id}),
    )


def updates(base: Metadata, change: TableChange) -> tuple[TableUpdate, ...]:
    """Return a change as updates; the retention of `main` stays unchanged."""
    return tuple(_updates(base, change))


def _updates(base: Metadata, change: TableChange) -> Iterator[TableUpdate]:
    yield AddSnapshotUpdate(snapshot=Snapshot.model_validate(change.snapshot))
    kept = {key: value for key, value in base.get("refs", {}).get(MAIN, {}).items() if key in KEPT}
    head = {"ref-name": MAIN, "type": SnapshotRefType.BRANCH, **kept}
    yield SetSnapshotRefUpdate.model_validate(
        head | {"snapshot-id": change.snapshot["snapshot-id"]}
    )
    if change.properties:
        yield SetPropertiesUpdate(updates=dict(change.properties))
    if change.expired:
        yield RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(change.expired)})


KEPT = ("max-ref-age-ms", "max-snapshot-age-ms", "min-snapshots-to-keep")
