"""Measures flushes in the layer's interpreter, after it has loaded only the receiver's modules.

    start flush_probe.py FOLDER NAME:FILES ...     a line of JSON for each flush

Each flush takes FILES deliveries in FOLDER/bodies through spool, flush and commit, on one thread.
With `step` among the names, it waits for a line before each flush. Time counts once, in the
innermost phase: imports wherever they happen, then reading, mapping, encoding, upload of the data
file, and the commit with its uploads.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
import threading
import time
from pathlib import Path

try:
    import lazily
except ImportError:  # a checkout
    pass
else:
    lazily.enable()

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension import agent
from otlp2parquet_ext.extension.context import context_note
from otlp2parquet_ext.flush import pipeline
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMMIT_MS = 300_000
CAPACITY_BYTES = 1 << 30
MANY = 1_000_000


class Meter:
    """Measures wall and CPU time by phase; time in nested phases counts for the innermost."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.phases = ["rest"]
        self._thread = threading.get_ident()
        self._last = self._now()

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def turn(self) -> None:
        """Add the time since the last call to the current phase."""
        now = self._now()
        spent = self.spent.setdefault(self.phases[-1], [0.0, 0.0])
        for number in (0, 1):
            spent[number] += (now[number] - self._last[number]) * 1_000
        self._last = now

    def wrap(self, owner: Any, name: str, phase: str) -> None:
        """Measure calls of a function as a separate phase, on this thread."""
        real: Callable[..., Any] = getattr(owner, name)

        def measured(*args: Any, **kwargs: Any) -> Any:
            inside = phase != "import" and "commit" in self.phases  # its uploads count for it
            if threading.get_ident() != self._thread or inside:
                return real(*args, **kwargs)
            self.turn()
            self.phases.append(phase)
            try:
                return real(*args, **kwargs)
            finally:
                self.turn()
                self.phases.pop()

        setattr(owner, name, measured)

    def figures(self) -> dict[str, dict[str, float]]:
        """Return the times, and reset them."""
        self.turn()
        found = {p: {"wall_ms": wall, "cpu_ms": cpu} for p, (wall, cpu) in self.spent.items()}
        self.spent = {}
        return found


def hot_side() -> None:
    """Load the modules that are loaded while the function runs."""
    assert agent.Agent is not None


def metered() -> Meter:
    """Install a meter in the flush."""
    meter = Meter()
    meter.wrap(builtins, "__import__", "import")
    meter.wrap(pipeline, "read_contents", "read")
    meter.wrap(pipeline.FlushPipeline, "commit", "commit")
    return meter


def meter_lately(meter: Meter, destination: str) -> None:
    """Install the meter in modules that this would import: only after the first import began."""
    from otlp2parquet_ext.flush.table_builder import TableBuilder  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations import parquet_file  # noqa: PLC0415

    meter.wrap(TableBuilder, "make", "map")
    meter.wrap(parquet_file, "encode", "encode")
    if destination.startswith(("file", "sqlite")):
        from otlp2parquet_ext.lake.storage.local import LocalStorage as Storage  # noqa: PLC0415
    else:
        from otlp2parquet_ext.lake.storage.s3 import S3Storage as Storage  # noqa: PLC0415
    meter.wrap(Storage, "put", "upload")


def main() -> None:
    """Run the requested flushes."""
    folder, *wanted = sys.argv[1:]
    bodies = iter(sorted((Path(folder) / "bodies").iterdir()))
    settings, problems = load(os.environ)
    assert not problems, problems
    spool = Spool(
        Path(settings.spool_dir), CAPACITY_BYTES, 0, segment_bytes=CAPACITY_BYTES,
        segment_items=MANY,
    )  # fmt: skip
    # Use another environment each time; else the files would exist and the rows be committed.
    context = EnvironmentContext(
        instance_id=os.urandom(16).hex(), function_name="checkout-service-live"
    )
    spool.set_preamble([context_note(context)])
    hot_side()
    meter = metered()
    side = pipeline.FlushPipeline(settings, os.environ)
    step = wanted[:1] == ["step"]
    for number, one in enumerate(wanted[step:]):
        name, _, files = one.partition(":")
        for path in (next(bodies) for _ in range(int(files))):
            body = path.read_bytes()
            spool.append(body, time.time_ns() // 1_000, body.count(b'"type":"'))
        spool.seal()
        if step:
            sys.stdin.readline()
        meter.figures()
        started_s, cpu_s = time.perf_counter(), time.process_time()
        if number == 0:
            meter_lately(meter, settings.destination)
        (segment,) = spool.sealed
        side.store(segment, commit_follows=True)
        side.commit(time.time_ns() // 1_000_000 + COMMIT_MS)
        wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        spool.discard(segment)
        total = {"wall_ms": wall_s * 1_000, "cpu_ms": cpu_s * 1_000}
        found = {"total": total, **meter.figures()}
        sys.stdout.write(json.dumps({"name": name, "phases": found}) + "\n")
        sys.stdout.flush()


main()
