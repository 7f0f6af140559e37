"""The snapshots that expire with the next commit, so that a table's metadata stays small.

Snapshots that others use do not expire: heads of their branches, tags, snapshots with statistics,
and snapshots outside of all branches (another program may have staged them). The table's own rules
of retention count as for Iceberg's Java library: by number and by age, for each branch. With
`gc.enabled=false` nothing expires and nothing is deleted.

A manifest list names all manifests, so old lists are the largest part of a table's leftovers. If we
wrote the list of an expired snapshot, it is deleted `COMMITS_TO_LIVE` commits later: a reader that
has just read the metadata still finds it. Until then a property of the table holds its name.

Source: Apache Iceberg table specification, "Snapshot Retention Policy".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.iceberg.commit.ledger import NAMES
from otlp2parquet_ext.lake.iceberg.format.snapshot import MAIN
from otlp2parquet_ext.lake.iceberg.format.table_properties import gc_enabled, of_branch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

SNAPSHOTS_KEPT = 20
COMMITS_TO_LIVE = 128
WAITING = "otlp2parquet_ext.expired-manifest-lists"
OUR_LIST = re.compile(r"snap-\d+-1-[0-9a-f-]{36}\.avro")
TABLE_BUCKET = "--table-s3/"
"""Part of all addresses in S3 Tables, where only S3 itself deletes unreferenced files."""
BRANCH_AGE_MS, BRANCH_LEAST = 5 * 86_400_000, 1
"""Java's defaults, for branches other than `main` and tables without rules of their own."""


def expired(metadata: Metadata, kept: int = SNAPSHOTS_KEPT, now_ms: int = 0) -> frozenset[int]:
    """Return the ids of the snapshots that may expire when one more is added to `main`.

    Args:
        metadata: the table's metadata before the commit.
        kept: number of snapshots of `main` to keep, unless the table asks for more.
        now_ms: the current time, Unix ms.
    """
    if not gc_enabled(metadata):
        return frozenset()
    parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in metadata.get("snapshots", ())}
    times = {s["snapshot-id"]: s.get("timestamp-ms", now_ms) for s in metadata.get("snapshots", ())}
    history = list(_history(parents, metadata.get("current-snapshot-id")))
    main = metadata.get("refs", {}).get(MAIN, {})
    least = max(kept, of_branch(metadata, main, "min-snapshots-to-keep") or 0) - 1
    age_ms = of_branch(metadata, main, "max-snapshot-age-ms")
    since_ms = None if age_ms is None else now_ms - age_ms
    stay = _retained(history, times, least, since_ms)
    return frozenset(history[stay:]) - frozenset(_pinned(metadata, parents, times, now_ms))


def _retained(
    history: Sequence[int], times: Mapping[int, int], least: int, since_ms: int | None
) -> int:
    """Return how many snapshots at the head of a branch to keep.

    Args:
        history: the branch's snapshots, newest first.
        times: Unix ms of each snapshot.
        least: least number to keep, of any age.
        since_ms: also keep snapshots since this Unix ms; None for no others.
    """
    stay = least
    if since_ms is not None:
        while stay < len(history) and times[history[stay]] >= since_ms:
            stay += 1
    return stay


def _pinned(
    metadata: Metadata, parents: dict[int, int | None], times: Mapping[int, int], now_ms: int
) -> Iterator[int]:
    for name, ref in metadata.get("refs", {}).items():
        if name != MAIN and ref["type"] == "branch":
            history = list(_history(parents, ref["snapshot-id"]))
            least = of_branch(metadata, ref, "min-snapshots-to-keep") or BRANCH_LEAST
            age_ms = of_branch(metadata, ref, "max-snapshot-age-ms") or BRANCH_AGE_MS
            yield from history[: _retained(history, times, least, now_ms - age_ms)]
        elif name != MAIN:
            yield ref["snapshot-id"]
    for kind in ("statistics", "partition-statistics"):
        yield from (entry["snapshot-id"] for entry in metadata.get(kind, ()))


def _history(parents: dict[int, int | None], head: Any) -> Iterator[int]:
    """Yield a snapshot and its ancestors, newest first, up to the first that has expired."""
    while head in parents:
        yield head
        head = parents[head]


def manifest_lists(
    metadata: Metadata, gone: AbstractSet[int], folder: str
) -> tuple[dict[str, str], list[str]]:
    """Return the property's new value after snapshots have expired, and the lists to delete then.

    Args:
        metadata: the table's metadata before the commit.
        gone: ids of the snapshots that expire with it.
        folder: folder of the table's metadata; files outside of it are never deleted.
    """
    waiting = metadata.get("properties", {}).get(WAITING, "").split()
    if (not gone and not waiting) or TABLE_BUCKET in folder or not gc_enabled(metadata):
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
