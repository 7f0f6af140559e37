"""Measures files per second that a committer makes visible, by files per snapshot and threads.

    python benchmarks/committing.py [FILES]

Descriptors of one Parquet file under many names wait in an inbox on disk (in memory if there is
/dev/shm), without latency and with 25 ms. CPU, seconds and peak resident memory are those of one
process, and each case runs in its own process.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
APART_MS = 20
MEMORY = Path("/dev/shm")  # noqa: S108 - the disk is not what is measured
CASES = (
    *((0, per, 1) for per in (100, 500, 1_000, 2_000, 4_000, 8_000)),
    *((25, 2_000, threads) for threads in (1, 8, 16, 32, 64)),
    *((25, per, 32) for per in (500, 1_000, 4_000, 8_000)),
)


def fill(folder: Path, files: int) -> None:
    """Write descriptors of one stored file under many names."""
    from lake_bench import Home, bodies_at  # noqa: PLC0415 - after the path is set

    from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox  # noqa: PLC0415
    from otlp2parquet_ext.lake.storage.local import LocalStorage  # noqa: PLC0415

    home = Home(folder)
    (file,) = home.store(bodies_at(0, *(f"line {n}" for n in range(100))), "a")
    inbox = Inbox(LocalStorage(home.location))
    now_ms = time.time_ns() // 1_000_000
    for number in range(files):
        stored_ms = now_ms - (files - number) * APART_MS
        inbox.put(msgspec.structs.replace(file, name=f"{number:032}-x", stored_ms=stored_ms))


def case(folder: Path, latency_ms: int, per_snapshot: int, threads: int) -> dict[str, Any]:
    """Commit all waiting files; return figures."""
    from lake_bench import Home  # noqa: PLC0415

    from otlp2parquet_ext.functions.committer.opening import open_place  # noqa: PLC0415
    from otlp2parquet_ext.functions.committer.work import commit_waiting  # noqa: PLC0415
    from otlp2parquet_ext.lake.storage.local import LocalStorage  # noqa: PLC0415

    home = Home(folder)
    url = f"sqlite://{home.database}?warehouse={folder}/lake"
    if latency_ms:
        _send_far_away(LocalStorage, latency_ms / 1_000)
    place = open_place({"OTLP2PARQUET_DESTINATION": url})._replace(threads=threads)
    started, cpu = time.monotonic(), time.process_time()
    done = commit_waiting(place, time.time_ns() // 1_000_000 + 600_000, per_snapshot=per_snapshot)
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
    assert done.empty
    return {
        "files_per_s": round(done.files / seconds),
        "cpu_us_per_file": round(cpu_s / done.files * 1e6),
        "snapshots": done.snapshots,
        "seconds": round(seconds, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024),
        "metadata_kb": round(home.metadata_path().stat().st_size / 1_024),
    }


def _send_far_away(storage: Any, seconds: float) -> None:
    """Delay every request on its thread; a delete of many objects is one request."""
    for name in ("put", "get", "list", "size"):
        method = getattr(storage, name)

        def slow(*arguments: Any, method: Any = method, **named: Any) -> Any:
            time.sleep(seconds)
            return method(*arguments, **named)

        setattr(storage, name, slow)


def main() -> None:
    """Run every case in its own process, with its own inbox."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "iceberg")]
    if sys.argv[1] == "case":
        folder, *numbers = sys.argv[2:]
        print(json.dumps(case(Path(folder), *map(int, numbers))))
        return
    files = int(sys.argv[1])
    for numbers in CASES:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            fill(Path(folder), files)
            ran = subprocess.run(
                [sys.executable, __file__, "case", folder, *map(str, numbers)],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2])},
                capture_output=True,
                text=True,
                check=True,
            )
        latency_ms, per_snapshot, threads = numbers
        label = f"{latency_ms} ms away, {per_snapshot} a snapshot, {threads} threads"
        print(f"{label}: {json.loads(ran.stdout)}", flush=True)


if __name__ == "__main__":
    main()
