"""Measures commits: cold, steady, and after thousands, compared with PyIceberg's.

    python benchmarks/commits.py cold [RUNS]     spawn --> 1 000 events committed --> exit
    python benchmarks/commits.py growth [COMMITS]  one process, one row a commit

Cold runs are complete processes, in turn, at full speed and in CPU groups of 0.29 and 0.07 CPU if
the machine allows groups; figures are medians. `lean` and `pyiceberg` differ only in the code that
opens the catalog: ours, or PyIceberg's as for `catalog://` (its own append is in
pyiceberg_commits.py). `store` is the same without a commit, so the difference is the cost of a
commit.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext
from otlp2parquet_ext.tools.local.cgroups import make_group

EVENTS = 1_000
MEASURED = 31
SHARES = (None, 0.29, 0.07)
PATHS = os.pathsep.join((str(Path(__file__).parents[1]), str(Path(msgspec.__file__).parents[1])))
WAYS = ("store", "lean", "pyiceberg")

# The flush of a delivery, from an interpreter without any imports.
COLD = """
import sys, time
from pathlib import Path
from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext, Delivery
folder, way = Path(sys.argv[1]), sys.argv[2]
body = (folder.parent / "body.json").read_bytes()
context = EnvironmentContext(instance_id="i", function_name="f")
rows = log_table([Delivery(body, 1_790_000_000_000_000)], context, Invocations()).table
def open_table():
    if way == "lean":
        from otlp2parquet_ext.lake.iceberg.open_table import sqlite_table
        return sqlite_table(folder / "c.db", folder / "lake/otel/logs", "otel", "logs")
    from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import sqlite_table
    return sqlite_table(folder / "c.db", folder / "lake", "otel", "logs")
lake = Lake(LocalStorage(folder / "lake/otel/logs"), open_table)
lake.store(Batch("a" * 32, {"logs": rows}))
if way != "store":
    assert lake.commit(time.time_ns() // 1_000_000 + 120_000) == 1
"""


def delivery(events: int) -> bytes:
    """Make one delivery of log lines of typical size."""
    lines = [
        {
            "time": f"2026-03-14T12:00:{number // 17 % 60:02}.{number % 1_000:03}Z",
            "type": "function",
            "record": {
                "level": "INFO",
                "requestId": f"{number // 30:08x}-0000-4000-8000-000000000000",
                "message": f"order {number * 7_919} of customer {number * 104_729:x} is paid",
                "order": {"lines": number % 7, "total": number * 1.25, "currency": "EUR"},
            },
        }
        for number in range(events)
    ]
    return json.dumps(lines).encode()


def run(root: Path, way: str, share: float | None) -> tuple[float, float]:
    """Run one process; return (CPU ms, wall ms)."""
    group = make_group("cpu", f"otlp2parquet_bench_{os.getpid()}") if share is not None else None
    door = -1
    if group is not None:
        group.limit_cpu(share)
        door = group.door()
    with tempfile.TemporaryDirectory(dir=root) as folder:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-S", "-c", COLD, folder, way],
            check=True,
            env=os.environ | {"PYTHONPATH": PATHS},
            preexec_fn=(lambda: os.write(door, b"0") and None) if group else None,
        )
        wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if group is not None:
        os.close(door)
        group.remove()
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s * 1_000, wall_s * 1_000


def cold(runs: int) -> None:
    """Print medians of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "body.json").write_bytes(delivery(EVENTS))
        for share in SHARES:
            if share is not None and make_group("cpu", f"otlp2parquet_bench_{os.getpid()}") is None:
                print("no CPU group can be made here")
                return
            for way in WAYS:
                run(root, way, None)  # byte-code, page cache
                times = list(zip(*(run(root, way, share) for _ in range(runs)), strict=True))
                cpu_ms, wall_ms = (statistics.median(column) for column in times)
                label = "full CPU" if share is None else f"{share} CPU"
                print(f"{label}, {way}: CPU {cpu_ms:.0f} ms, wall {wall_ms / 1_000:.2f} s")


class Table:
    """A new table for commits of one row each."""

    def __init__(self, folder: Path) -> None:
        from otlp2parquet_ext.lake.iceberg.open_table import sqlite_table  # noqa: PLC0415 - as `choose` does

        self.location = folder / "lake/otel/logs"
        table = sqlite_table(folder / "c.db", self.location, "otel", "logs")
        self._lake = Lake(LocalStorage(self.location), lambda: table)
        context = EnvironmentContext(instance_id="i", function_name="f")
        self._rows = log_table([Delivery(delivery(1), 0)], context, Invocations()).table
        self.commits = 0

    def commit(self) -> float:
        """Store and commit; return the commit's CPU ms."""
        self.commits += 1
        self._lake.store(Batch(f"{self.commits:032}", {"logs": self._rows}))
        started = time.process_time()
        self._lake.commit(time.time_ns() // 1_000_000 + 60_000)
        return (time.process_time() - started) * 1_000


def growth(commits: int) -> None:
    """Print the cost of a commit as a table ages, and the size of its metadata folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old = Table(folder / "old")
        for milestone in (100, 300, 1_000, 3_000):
            if milestone > commits:
                break
            while old.commits < milestone - MEASURED:
                old.commit()
            print(f"commit {milestone}: {beside_young_tables(old, folder / str(milestone))}")
        for pattern in ("*.metadata.json", "snap-*.avro", "*-m0.avro"):
            sizes = [path.stat().st_size for path in (old.location / "metadata").glob(pattern)]
            print(f"{pattern}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")


def beside_young_tables(old: Table, folder: Path) -> str:
    """Measure commits of an old table, each beside the tenth of a new one on the same disk."""
    pairs = []
    for number in range(MEASURED):
        young = Table(folder / str(number))
        for _ in range(9):
            young.commit()
        pairs.append((old.commit(), young.commit()))
    aged, tenth = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"CPU {aged:.2f} ms, the tenth {tenth:.2f} ms, ratio {aged / tenth:.2f}"


def main() -> None:
    """Run the requested measurement."""
    what, *count = sys.argv[1:]
    if what == "cold":
        cold(int(count[0]) if count else 9)
    else:
        growth(int(count[0]) if count else 3_000)


if __name__ == "__main__":
    main()
