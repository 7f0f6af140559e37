"""Writers, committers and a watcher: processes that are forked, killed and started again.

A writer does the work of an execution environment after its receiver: a real spool, the real flush,
SHUTDOWN at the end. Its log has a line for each delivery that it received. So a killed writer
continues at its next start, as the next process of a sandbox does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from typing import TYPE_CHECKING

import pyarrow as pa

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.flush.policy import FlushReason
from otlp2parquet_ext.functions.committer.care import care
from otlp2parquet_ext.functions.committer.opening import THREADS, open_place
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext
from otlp2parquet_ext.spool import Spool
from scale_parts import lakes
from scale_parts.forks import Processes
from scale_parts.rim import Rim

if TYPE_CHECKING:
    from scale_parts.plan import Home, Plan

SHUTDOWN_MS = 2_000
COMMIT_LIMIT_MS = 60_000
SPREAD_MS = 60  # between the starts of two writers
IMPORT_MS = 100
WATCH_S = 0.1
STOP = "stop"  # a file of this name ends committers and the watcher


def run(plan: Plan, home: Home, limit_s: float) -> int:
    """Run a fleet to its end; return the number of processes killed while writers ran.

    Committers run until the writers have ended and the inbox is empty.
    """
    processes = Processes()
    processes.start("watcher", lambda: watch(home))
    for number in range(plan.committers):
        processes.start(f"committer-{number}", lambda n=number: commit(plan, home, n))
    for number in range(plan.writers):
        processes.start(f"writer-{number}", lambda n=number: write(plan, home, n))
    until, next_kill = time.monotonic() + limit_s, time.monotonic() + plan.kill_every_ms / 1_000
    try:
        while processes.any("writer") or (plan.committers and home.waiting()):
            if time.monotonic() > until:
                raise RuntimeError(f"{plan.label}: not over after {limit_s:.0f} s")
            if plan.kill_every_ms and time.monotonic() >= next_kill and processes.any("writer"):
                processes.kill_one(("writer", "committer"))
                next_kill += plan.kill_every_ms / 1_000
            time.sleep(0.02)
            processes.reap()
        (home.folder / STOP).touch()
        while processes.running and time.monotonic() < until:
            time.sleep(0.02)
            processes.reap()
        return processes.kills
    finally:
        processes.end_all()


def _quietly(plan: Plan, home: Home, who: str) -> Rim:
    """Set up a process of the fleet, with the extension's log in a separate file."""
    random.seed()
    pa.set_cpu_count(1)
    said = os.open(home.folder / f"{who}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    rim = Rim()
    far = plan.lake == "disk"  # all others have latency already
    rim.install(plan.storage_ms * far, plan.catalog_ms * far)
    return rim


def write(plan: Plan, home: Home, number: int) -> None:
    """Run one writer, or the rest of it after a kill."""
    who = f"writer-{number}"
    rim = _quietly(plan, home, who)
    asyncio.run(_write(plan, home, who, number))
    _note_end(home, who, rim)


def _note_end(home: Home, who: str, rim: Rim) -> None:
    """Write this process's figures."""
    figures = {"cpu_ms": time.process_time() * 1_000, "counts": rim.counts, "ms": rim.commit_ms}
    with home.log(f"{who}-end").open("a") as log:
        log.write(json.dumps(figures) + "\n")


async def _write(plan: Plan, home: Home, who: str, number: int) -> None:
    spool_dir = home.folder / "spool" / who
    spool_dir.mkdir(parents=True, exist_ok=True)
    environ = home.variables(plan, spool_dir)
    settings, problems = load(environ)
    assert not problems, problems
    spool = Spool(spool_dir, settings.spool_capacity_bytes, settings.memory_capacity_bytes)
    spool.set_preamble([context_note(EnvironmentContext(instance_id=f"{who}-{os.getpid()}"))])
    batches = Flusher(settings, FlushPipeline(settings, environ), spool, IMPORT_MS)
    done = _deliveries(home, who)
    await batches.recover()
    first = done[-1] + 2 if done else 0  # skip the one that may be incomplete
    if not done:
        await asyncio.sleep(number * SPREAD_MS / 1_000)
    with home.log(who).open("a") as log:
        for delivery in range(first, plan.flushes):
            batches.append(body(who, delivery, plan.rows), plan.rows)
            log.write(f"{delivery} {time.time_ns() // 1_000_000}\n")
            log.flush()
            await asyncio.sleep(plan.flush_ms / 1_000 * random.uniform(0.8, 1.2))
    await batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + SHUTDOWN_MS)


def _deliveries(home: Home, who: str) -> list[int]:
    """Return the deliveries that an earlier process of this writer certainly received."""
    if not home.log(who).exists():
        return []
    lines = home.log(who).read_text().split("\n")[:-1]
    return [int(line.split()[0]) for line in lines]


def body(who: str, delivery: int, rows: int) -> bytes:
    """Make one delivery whose rows name it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    return json.dumps(
        [
            {
                "time": f"{stamp}.{row:03}Z",
                "type": "function",
                "record": {
                    "message": f"{who} {delivery} {row}",
                    "level": "INFO",
                    "requestId": f"{delivery:08x}-0000-4000-8000-000000000000",
                    "location": f"handler:{row}",
                    "service": "orders",
                    "customer": row * 104_729,
                },
            }
            for row in range(rows)
        ]
    ).encode()


def commit(plan: Plan, home: Home, number: int) -> None:
    """Run one committer until all is committed: the inbox, then the table's maintenance."""
    who = f"committer-{number}"
    rim = _quietly(plan, home, who)
    place = open_place(home.variables(plan))
    if plan.lake == "disk":
        place = place._replace(threads=THREADS)  # as for a bucket, because the latency is similar
    while not (home.folder / STOP).exists():
        started = time.perf_counter()
        deadline_ms = now_ms() + COMMIT_LIMIT_MS
        # As the command does: later files are left for the next run.
        if commit_waiting(place, deadline_ms, limit=len(place.inbox.entries())).snapshots:
            rim.commit_ms.append((time.perf_counter() - started) * 1_000)
        care(place, deadline_ms)
        time.sleep(plan.committer_ms / 1_000 * random.uniform(0.8, 1.2))
    _note_end(home, who, rim)


def watch(home: Home) -> None:
    """Log the time at which each snapshot was first seen."""
    look = lakes.snapshots(home)
    seen: set[int] = set()
    with home.log("watcher").open("a") as log:
        while not (home.folder / STOP).exists():
            for snapshot_id in look():
                if snapshot_id not in seen:
                    seen.add(snapshot_id)
                    log.write(f"{snapshot_id} {time.time_ns() // 1_000_000}\n")
                    log.flush()
            time.sleep(WATCH_S)
