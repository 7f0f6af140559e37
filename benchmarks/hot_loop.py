"""Measures the loop of the flush: CPU of each phase by kind of event and volume, and memory.

    python benchmarks/hot_loop.py [EVENTS …]     10000 100000 1000000 for the table of the decision

A batch has the size of a sealed segment: at most 4 MiB or 10 000 events, in deliveries of 500.
Larger volumes repeat a few batches, with other request ids only if the mix has them. A loaded
machine increases the CPU time; `calls` (of Python functions per event) does not depend on the
machine. Memory is that of a separate process that stores full batches to a folder, with the layer's
allocator settings.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference_mix import BEGIN_S, FUNCTION, events

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.segment_contents import Contents, read_contents
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.digests import digest_of
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import SCOPE_NAME
from otlp2parquet_ext.records.mapping.mapper import Mapper
from otlp2parquet_ext.records.mapping.resource import resource
from otlp2parquet_ext.records.mapping.rows import constants, table
from otlp2parquet_ext.records.tables.logs import COLUMNS
from otlp2parquet_ext.records.telemetry.decode import decode
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import FrameKind, Segment
from otlp2parquet_ext.spool.directories import Folder
from otlp2parquet_ext.spool.spool import SEGMENT_BYTES, SEGMENT_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("text", "json", "platform", "mix")
PHASES = ("read", "decode", "map", "columns", "encode")
PER_DELIVERY = 500
BATCHES = 3
"""Number of different batches of each kind."""

CONTEXT = EnvironmentContext(instance_id="5d41402abc4b2a76b9719d911017c592", function_name=FUNCTION)
LAYER = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
FLUSHES = 6


def kind_of(event: dict[str, Any]) -> str:
    """Return which of `KINDS` an event is; every event also belongs to the mix."""
    if event["type"] != "function":
        return "platform"
    return "text" if isinstance(event["record"], str) else "json"


@cache
def _mix() -> list[dict[str, Any]]:
    return events(60_000)


@cache
def batches(kind: str) -> list[list[bytes]]:
    """Return the deliveries of `BATCHES` full batches of a kind; fewer if the mix has fewer."""
    chosen = (e for e in _mix() if kind in {"mix", kind_of(e)})
    made: list[list[bytes]] = [[]]
    while some := list(islice(chosen, PER_DELIVERY)):
        body = json.dumps(some, separators=(",", ":")).encode()
        full = sum(map(len, made[-1])) + len(body) > SEGMENT_BYTES
        if full or len(made[-1]) * PER_DELIVERY >= SEGMENT_ITEMS:
            if len(made) == BATCHES:
                break
            made.append([])
        made[-1].append(body)
    return made


def segment(bodies: list[bytes]) -> Segment:
    """Return a segment in memory that holds these deliveries."""
    made = Segment.in_memory()
    for count, body in enumerate(bodies, 1):
        received_us = int((BEGIN_S + count) * 1_000_000)
        made.append(FrameKind.DELIVERY, body, received_us, digest_of(body), PER_DELIVERY)
    return made


def phases(data: bytes, invocations: Invocations) -> tuple[dict[str, float], int, int]:
    """Process a segment's bytes completely; return CPU seconds by phase, events, Parquet bytes."""
    spent: dict[str, float] = {}
    began = time.process_time()

    def ended(phase: str) -> None:
        nonlocal began
        now = time.process_time()
        spent[phase] = now - began
        began = now

    contents: Contents = read_contents(data)
    ended("read")
    decoded = [(decode(d.body), d.received_us) for d in contents.deliveries]
    ended("decode")
    mapper = Mapper(CONTEXT, invocations)
    for parts, received_us in decoded:
        mapper.learn(parts, received_us)
    rows = [(mapper.rows(parts, received_us), received_us) for parts, received_us in decoded]
    ended("map")
    environment = resource(CONTEXT, invocations.function_arn, invocations.log_stream)
    made = table(rows, constants(environment, SCOPE_NAME, "0"))
    ended("columns")
    file = encode(made, COLUMNS)
    ended("encode")
    return spent, made.num_rows, file.data.size


def measure(kind: str, volume: int) -> dict[str, Any]:
    """Return CPU microseconds per event of one kind by phase, over at least `volume` events."""
    sealed = cycle([segment(bodies).read() for bodies in batches(kind)])
    invocations, spent, done, size = Invocations(), dict.fromkeys(PHASES, 0.0), 0, 0
    while done < volume:
        some, rows, weight = phases(next(sealed), invocations)
        spent = {phase: spent[phase] + some[phase] for phase in PHASES}
        done, size = done + rows, size + weight
    per_event = {phase: round(spent[phase] * 1e6 / done, 2) for phase in PHASES}
    total = round(sum(spent.values()) * 1e6 / done, 2)
    shape = {"kind": kind, "events": done, "bytes": round(size / done, 1), "calls": calls(kind)}
    return {**shape, "us": per_event, "us_total": total}


@cache
def calls(kind: str) -> float:
    """Return calls of Python and C functions per event of one batch; see `sys.setprofile`."""
    seen = 0

    def count(_frame: object, what: str, _argument: object) -> None:
        nonlocal seen
        seen += what in {"call", "c_call"}

    data, invocations = segment(batches(kind)[0]).read(), Invocations()
    phases(data, invocations)
    sys.setprofile(count)
    try:
        _, rows, _ = phases(data, invocations)
    finally:
        sys.setprofile(None)
    return round(seen / rows, 1)


def memory() -> dict[str, Any]:
    """Return MB of anonymous memory before, between and after flushes of full batches.

    `peak` and `peak_before` are resident memory with file pages.
    """
    command = [sys.executable, __file__, "--memory"]
    done = subprocess.run(
        command, env={**os.environ, **LAYER}, check=True, capture_output=True, text=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _memory() -> dict[str, Any]:
    """Measure memory in this process, which has done nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        place = Folder(Path(folder), "segments")
        place.path.mkdir()
        files = [place.path / str(number) for number in range(BATCHES)]
        # Another process makes the batches, because that takes memory which is not the flush's.
        code = "from hot_loop import *; import sys; [open(f, 'wb').write(segment(b)"
        code += ".read()) for f, b in zip(sys.argv[1:], batches('mix'))]"
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, env=environ)
        settings, _ = load({"OTLP2PARQUET_DESTINATION": f"file://{folder}/lake"})
        side, found = FlushPipeline(settings, {}), {"idle": _now("Anonymous")}

        def flush() -> None:
            side.rehearse()
            found["warm"], found["peak_before"] = _now("Anonymous"), _peak()
            for number, file in enumerate(islice(cycle(files), FLUSHES), 1):
                side.store(Segment.recover(place, file.name, file.stat().st_size))
                found[f"after_{number}"] = _now("Anonymous")

        thread = threading.Thread(target=flush)
        thread.start()
        thread.join()
        return {**found, "peak": _peak()}


def _now(what: str) -> float:
    return _kilobytes("/proc/self/smaps_rollup", what)


def _peak() -> float:
    return _kilobytes("/proc/self/status", "VmHWM")


def _kilobytes(path: str, name: str) -> float:
    match = re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    return round(int(match[1]) / 1024, 1) if match else 0.0


def figures(volumes: tuple[int, ...] = (10_000,)) -> dict[str, Any]:
    """Return all figures as plain values."""
    loop = [measure(kind, volume) for volume in volumes for kind in KINDS]
    return {"loop": loop, "memory": memory()}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield a table of the result of `figures`."""
    yield f"| events | kind | {' | '.join(PHASES)} | µs an event | calls | bytes |"
    yield "|---|---|" + "---|" * (len(PHASES) + 3)
    for row in found["loop"]:
        cells = [*row["us"].values(), row["us_total"], row["calls"], row["bytes"]]
        yield f"| {row['events']} | {row['kind']} | {' | '.join(map(str, cells))} |"
    yield f"anonymous MB, peaks resident: {found['memory']}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--memory"]:
        print(json.dumps(_memory()))
    else:
        print("\n".join(lines(figures(tuple(map(int, sys.argv[1:])) or (10_000,)))))
