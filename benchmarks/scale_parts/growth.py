"""Measures one table over thousands of commits: the cost of a commit, and the metadata's size.

Each measured commit of the old table is compared with the tenth commit of a new one, in the same
minute and on the same disk. So the ratio shows only the effect of growth. One table has no
maintenance; a committer maintains another one at intervals.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commits import MEASURED, Table

from otlp2parquet_ext.functions.committer.care import care
from otlp2parquet_ext.functions.committer.opening import open_place
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

CARE_EVERY = 100
CARE_MS = 60_000
MILESTONES = (10, 100, 300, 1_000, 3_000, 10_000)
PARTS = {
    "metadata_json": "*.metadata.json",
    "manifest_lists": "snap-*.avro",
    "manifests": "*-m?.avro",
}


def milestones(where: Path | None, commits: int, care_every: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of one table at each milestone up to `commits`.

    Args:
        where: parent folder of the table; None for the system's temporary folder.
        commits: total number of commits.
        care_every: commits between two maintenance runs of a committer; 0 means never.
    """
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        old = Table(folder / "old")
        for milestone in (number for number in MILESTONES if number <= commits):
            while old.commits < milestone - min(MEASURED, milestone - 1):
                old.commit()
                if care_every and old.commits % care_every == 0:
                    _care(folder / "old")
            yield {"commits": milestone, "care_every": care_every} | _measured(
                old, folder / str(milestone)
            )


def _care(folder: Path) -> None:
    """Run a committer's maintenance; no reader uses old snapshots here."""
    url = f"sqlite://{folder}/c.db?warehouse={folder}/lake"
    cared = care(open_place({"OTLP2PARQUET_DESTINATION": url}), now_ms() + CARE_MS, grace_ms=0)
    assert not cared.problems, cared.problems


def _measured(old: Table, folder: Path) -> dict[str, Any]:
    """Measure commits of an old table, each beside the tenth commit of a new one."""
    pairs = []
    for number in range(MEASURED):
        young = Table(folder / str(number))
        for _ in range(9):
            young.commit()
        pairs.append((old.commit(), young.commit()))
    aged, tenth = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"cpu_ms": aged, "tenth_cpu_ms": tenth, "ratio": aged / tenth, **_sizes(old)}


def _sizes(table: Table) -> dict[str, Any]:
    """Return the size of a table's metadata folder, and of the files that each commit writes."""
    found: dict[str, Any] = {}
    for part, pattern in PARTS.items():
        paths = sorted((table.location / "metadata").glob(pattern), key=lambda p: p.stat().st_mtime)
        sizes = [path.stat().st_size for path in paths]
        found[part] = {"files": len(sizes), "bytes": sum(sizes), "latest_bytes": sizes[-1]}
    return found
