"""What a commit costs: cold, steady, and after thousands, beside PyIceberg's.

    python benchmarks/commits.py cold [RUNS]     spawn --> 1 000 events committed --> exit
    python benchmarks/commits.py growth [COMMITS]  one process, one row a commit

Cold runs are whole processes, in turn, at full speed and in CPU groups of 0.29 and 0.07 CPU where
the machine lets us make one; figures are medians. `lean` and `pyiceberg` differ in nothing but
who commits; `store` is the same without a commit: the difference is what committing costs.
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

from otlp2parquet_ext.destinations import Batch
from otlp2parquet_ext.destinations.lake import Lake
from otlp2parquet_ext.local.cgroups import make_group
from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.logs import log_table
from otlp2parquet_ext.storage.local import LocalStorage
from otlp2parquet_ext.telemetry.values import Context, Delivery

EVENTS = 1_000
SHARES = (None, 0.29, 0.07)
PATHS = os.pathsep.join((str(Path(__file__).parents[1]), str(Path(msgspec.__file__).parents[1])))
WAYS = ("store", "lean", "pyiceberg")

# What the flush side does with a delivery, from an interpreter in which nothing is imported.
COLD = """
import sys, time
from pathlib import Path
from otlp2parquet_ext.destinations import Batch
from otlp2parquet_ext.destinations.lake import Lake
from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.logs import log_table
from otlp2parquet_ext.storage.local import LocalStorage
from otlp2parquet_ext.telemetry.values import Context, Delivery
folder, way = Path(sys.argv[1]), sys.argv[2]
body = (folder.parent / "body.json").read_bytes()
context = Context(instance_id="i", function_name="f")
rows = log_table([Delivery(body, 1_790_000_000_000_000)], context, Invocations()).table
def open_table():
    if way == "lean":
        from otlp2parquet_ext.iceberg.lean import sqlite_table
        return sqlite_table(folder / "c.db", folder / "lake/otel/logs", "otel", "logs")
    from otlp2parquet_ext.iceberg.pyiceberg_catalog import sqlite_table
    return sqlite_table(folder / "c.db", folder / "lake", "otel", "logs")
lake = Lake(LocalStorage(folder / "lake/otel/logs"), open_table)
lake.store(Batch("a" * 32, rows))
if way != "store":
    assert lake.commit(time.time_ns() // 1_000_000 + 120_000) == 1
"""


def delivery(events: int) -> bytes:
    """Make one delivery of log lines of the usual size."""
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


def run(root: Path, way: str, share: float | None) -> tuple[float, float, float]:
    """Run one process; return (CPU ms, wall ms, peak MB)."""
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
    return cpu_s * 1_000, wall_s * 1_000, after.ru_maxrss / 1_024


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
                cpu_ms, wall_ms = (statistics.median(column) for column in times[:2])
                label = "full CPU" if share is None else f"{share} CPU"
                print(f"{label}, {way}: CPU {cpu_ms:.0f} ms, wall {wall_ms / 1_000:.2f} s")


def growth(commits: int) -> None:
    """Print what a commit costs as a table ages, and what lies in its metadata folder."""
    context = Context(instance_id="i", function_name="f")
    rows = log_table([Delivery(delivery(1), 0)], context, Invocations()).table
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from otlp2parquet_ext.iceberg.lean import sqlite_table  # noqa: PLC0415 - as `choose` does

        location = folder / "lake/otel/logs"
        table = sqlite_table(folder / "c.db", location, "otel", "logs")
        lake = Lake(LocalStorage(location), lambda: table)
        costs: list[tuple[float, float]] = []
        for number in range(1, commits + 1):
            lake.store(Batch(f"{number:032}", rows))
            cpu, wall = time.process_time(), time.perf_counter()
            lake.commit(time.time_ns() // 1_000_000 + 60_000)
            costs.append((time.process_time() - cpu, time.perf_counter() - wall))
            if number in {15, 100, 305, 1_005, 3_005}:
                cpu_s, wall_s = (statistics.median(c) for c in zip(*costs[-11:], strict=True))
                print(f"commit {number - 5}: CPU {cpu_s * 1e3:.2f} ms, wall {wall_s * 1e3:.2f} ms")
        for pattern in ("*.metadata.json", "snap-*.avro", "*-m0.avro"):
            sizes = [path.stat().st_size for path in (location / "metadata").glob(pattern)]
            print(f"{pattern}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")


def main() -> None:
    """Run what is asked for."""
    what, *count = sys.argv[1:]
    if what == "cold":
        cold(int(count[0]) if count else 9)
    else:
        growth(int(count[0]) if count else 3_005)


if __name__ == "__main__":
    main()
