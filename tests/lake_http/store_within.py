"""Stores one batch in a process with only 64 MB more than its libraries, and prints the result.

python store_within.py FOLDER; the destination is in the environment, as in a function.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.spool import Segment, Spool

BODY = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"starting"}]'
ROOM_BYTES = 64 * 1_048_576


def sealed(folder: Path) -> Segment:
    """Return a segment of one event."""
    spool = Spool(folder, 1 << 20, 0)
    spool.append(BODY, 1, 1)
    segment = spool.seal()
    assert segment is not None
    return segment


def status_kb(name: str) -> int:
    """Return a figure of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main(folder: Path) -> None:
    """Load everything, then store with little memory left."""
    usual = load({"OTLP2PARQUET_DESTINATION": f"file://{folder}/lake"})[0]
    FlushPipeline(usual, {}).store(sealed(folder / "first"))
    side = FlushPipeline(load(dict(os.environ))[0], os.environ)
    side.warm_up_store()
    segment = sealed(folder / "second")
    Path("/proc/self/clear_refs").write_text("5")
    before_kb = status_kb("VmRSS")
    most = status_kb("VmSize") * 1_024 + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    found = "stored"
    try:
        side.store(segment)
    except DestinationError as error:
        found = str(error)
    grown_kb = status_kb("VmHWM") - before_kb
    kept = segment.size_bytes == len(segment.read())
    told = {"found": found, "grown_bytes": grown_kb * 1_024, "kept": kept}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
