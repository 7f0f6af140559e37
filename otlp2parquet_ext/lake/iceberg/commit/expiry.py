"""Which snapshots go with the next commit, so that a table's metadata stays small.

What others marked stays: heads and history of their branches, tags, snapshots with statistics,
and snapshots that no branch leads to (somebody may have staged them).

A manifest list names every manifest, so old ones are most of what a table leaves behind. That of
an expired snapshot, if we wrote it, is deleted `COMMITS_TO_LIVE` commits later: a reader who has
just read the metadata still finds it. Until then its name waits in a property of the table.

Source: Apache Iceberg table specification, "Snapshot Retention Policy".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.iceberg.commit.ledger import NAMES
from otlp2parquet_ext.lake.iceberg.format.snapshot import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

SNAPSHOTS_KEPT = 20
COMMITS_TO_LIVE = 128
WAITING = "otlp2parquet_ext.expired-manifest-lists"
OUR_LIST = re.compile(r"snap-\d+-1-[0-9a-f-]{36}\.avro")
TABLE_BUCKET = "--table-s3/"
"""In addresses within S3 Tables: there S3 itself removes what nothing refers to, nobody else."""
LEAST_KEPT = "history.expire.min-snapshots-to-keep"


def expired(metadata: Metadata, kept: int = SNAPSHOTS_KEPT) -> frozenset[int]:
    """Return the ids of the snapshots that may go when one more is added to `main`.

    Args:
        metadata: before that.
        kept: how many of `main` stay then, if nobody asks for more.
    """
    parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in metadata.get("snapshots", ())}
    history = list(_history(parents, metadata.get("current-snapshot-id")))
    return frozenset(history[_kept(metadata, kept) - 1 :]) - frozenset(_pinned(metadata, parents))


def _kept(metadata: Metadata, least: int) -> int:
    """Return how many snapshots of `main` stay: at least what the table itself asks for."""
    main = metadata.get("refs", {}).get(MAIN, {})
    asked = main.get("min-snapshots-to-keep", metadata.get("properties", {}).get(LEAST_KEPT, 0))
    return max(least, int(asked))


def _pinned(metadata: Metadata, parents: dict[int, int | None]) -> Iterator[int]:
    for name, ref in metadata.get("refs", {}).items():
        if name != MAIN and ref["type"] == "branch":
            yield from _history(parents, ref["snapshot-id"])
        elif name != MAIN:
            yield ref["snapshot-id"]
    for kind in ("statistics", "partition-statistics"):
        yield from (entry["snapshot-id"] for entry in metadata.get(kind, ()))


def _history(parents: dict[int, int | None], head: Any) -> Iterator[int]:
    """Yield a snapshot and its ancestors, newest first, as far as they are there."""
    while head in parents:
        yield head
        head = parents[head]


def manifest_lists(
    metadata: Metadata, gone: AbstractSet[int], folder: str
) -> tuple[dict[str, str], list[str]]:
    """Return the property as it is after snapshots are `gone`, and the lists to delete then.

    Args:
        metadata: before the commit.
        gone: ids of the snapshots that expire with it.
        folder: where the table's metadata lies; nothing outside of it is ever deleted.
    """
    waiting = metadata.get("properties", {}).get(WAITING, "").split()
    if (not gone and not waiting) or TABLE_BUCKET in folder:
        return {}, []
    snapshots = metadata.get("snapshots", ())
    for snapshot in snapshots:
        place, _, name = snapshot.get("manifest-list", "").rpartition("/")
        ours = place == folder and NAMES in snapshot.get("summary", {})
        if ours and snapshot["snapshot-id"] in gone:
            waiting.append(name)
    kept = {s.get("manifest-list") for s in snapshots if s["snapshot-id"] not in gone}
    due = [f"{folder}/{name}" for name in waiting[:-COMMITS_TO_LIVE] if OUR_LIST.fullmatch(name)]
    rest = " ".join(waiting[-COMMITS_TO_LIVE:])
    return {WAITING: rest}, [address for address in due if address not in kept]
