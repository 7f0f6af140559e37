"""Which snapshots go with the next commit, so that a table's metadata stays small.

What others marked stays: heads and history of their branches, tags, snapshots with statistics,
and snapshots that no branch leads to (somebody may have staged them).

Source: Apache Iceberg table specification, "Snapshot Retention Policy".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.iceberg.snapshot import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.iceberg.snapshot import Metadata

SNAPSHOTS_KEPT = 20
LEAST_KEPT = "history.expire.min-snapshots-to-keep"


def expired(metadata: Metadata) -> frozenset[int]:
    """Return the ids of the snapshots that may go when one more is added to `main`."""
    parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in metadata.get("snapshots", ())}
    history = list(_history(parents, metadata.get("current-snapshot-id")))
    return frozenset(history[_kept(metadata) - 1 :]) - frozenset(_pinned(metadata, parents))


def _kept(metadata: Metadata) -> int:
    """Return how many snapshots of `main` stay: at least what the table itself asks for."""
    main = metadata.get("refs", {}).get(MAIN, {})
    asked = main.get("min-snapshots-to-keep", metadata.get("properties", {}).get(LEAST_KEPT, 0))
    return max(SNAPSHOTS_KEPT, int(asked))


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
