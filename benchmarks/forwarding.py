"""Measures the cost of forwarding: peak memory and CPU of a flush, one process per destination.

    .venv/bin/python benchmarks/forwarding.py [EVENTS]

Compare only ratios of one run. A server in another process accepts all requests. `lake` is plain
Parquet on disk.
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

ROOT = Path(__file__).parents[1]
EVENTS = 10_000
BATCHES = 5


def main() -> None:
    """Measure each destination and print a table."""
    sys.path.insert(0, str(ROOT / "tests" / "servers"))
    from telemetry_sinks import Reply, Sink, running  # noqa: PLC0415 - of the tests

    class Everything(Sink):
        """Accepts all requests, and keeps nothing."""

        def answer(self, request: object) -> Reply:
            """Accept the request."""
            del request
            return Reply()

    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with running(Everything()) as sink, tempfile.TemporaryDirectory() as folder:
        lake = f"file://{folder}/lake"
        kinds = {
            "nothing sent": "",
            "Data Tap": sink.url,
            "collector": f"otlp+{sink.url}",
            "lake": lake,
            "lake and Data Tap": f"{lake} {sink.url}",
            "lake, Data Tap and collector": f"{lake} {sink.url} otlp+{sink.url}",
        }
        print(f"{BATCHES} batches of {events} events; CPU per event without imports")
        print("| destination | peak resident MB | CPU µs an event |\n|---|---|---|")
        for name, url in kinds.items():
            command = [sys.executable, __file__, "--one", str(events), url]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peak_kb, cpu_us = json.loads(done.stdout)
            print(f"| {name} | {peak_kb / 1024:.0f} | {cpu_us:.1f} |")


def one(events: int, url: str) -> None:
    """Store batches in this process; print its peak memory in KB and CPU µs an event."""
    from otlp2parquet_ext.common.settings.settings import load  # noqa: PLC0415
    from otlp2parquet_ext.extension.agent import Agent  # noqa: F401, PLC0415 - what the process has loaded
    from otlp2parquet_ext.flush.pipeline import FlushPipeline  # noqa: PLC0415
    from otlp2parquet_ext.spool import Spool  # noqa: PLC0415

    environ = {"OTLP2PARQUET_DESTINATION": url or "https://nowhere.invalid"}
    settings, _ = load(environ)
    side = FlushPipeline(settings, environ)
    side.warm_up_store()
    spent_us = 0.0
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), 1 << 28, 0, segment_bytes=1 << 26, segment_items=events)
        for number in range(BATCHES + 1 if url else 0):
            lines = [
                {
                    "time": "2026-03-14T09:26:53.540Z",
                    "type": "function",
                    "record": f"[INFO] request {number} {line}: order accepted, total 12.50 EUR",
                }
                for line in range(events)
            ]
            spool.append(json.dumps(lines, separators=(",", ":")).encode(), number + 1, 0)
            segment = spool.seal()
            assert segment is not None
            began = time.process_time()
            side.store(segment)
            spent_us += (time.process_time() - began) * 1e6 if number else 0  # the first imports
            spool.discard(segment)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([peak_kb, spent_us / (BATCHES * events)]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), sys.argv[3])
    else:
        os.chdir(ROOT)
        main()
