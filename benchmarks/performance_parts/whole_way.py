"""Measures CPU per event from delivery to committed table, compared with forwarding and DuckDB.

The layer stores and commits with its defaults, to an SQLite catalog and a folder. The baseline
forwards every 10 000 events. DuckDB reads the same events from a file and writes columns.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from performance_parts import deliver, mixes, processes, sink, spool, stats
from performance_parts.stage import CHECKOUT

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000,)
WARM = 1_000
FORWARD_EVERY = 10_000
ROUNDS = {10_000: 2, 100_000: 1, 1_000_000: 1}
WINDOW_MS = 60_000
COLUMNS = """
SELECT "time"::TIMESTAMP AS time, "type", record ->> '$.requestId' AS request_id,
       record ->> '$.level' AS level,
       coalesce(record ->> '$.message', record ->> '$') AS message, record::VARCHAR AS record
FROM read_json('{source}', format='newline_delimited',
               columns={{'time': 'VARCHAR', 'type': 'VARCHAR', 'record': 'JSON'}})
"""
DUCKDB = """
import duckdb, json, sys, time
connection = duckdb.connect(config={"threads": 1})
connection.execute("SET enable_progress_bar = false")
connection.execute("SELECT 1").fetchall()
started_s = time.process_time()
connection.execute(sys.argv[1])
print(json.dumps((time.process_time() - started_s) * 1_000))
"""


def measure(*, quick: bool) -> dict[str, Any]:
    """Return CPU microseconds per event, and events per second, by mix and number of events."""
    found: dict[str, Any] = {}
    for mix in mixes.MIXES[:2] if quick else mixes.MIXES:
        found[mix] = {}
        for events in QUICK_SIZES if quick else SIZES:
            if events == SIZES[-1] and mix != "mix":
                continue
            found[mix][str(events)] = stats.in_turn(
                {
                    "layer": lambda mix=mix, events=events: _layer(mix, events),
                    "baseline": lambda mix=mix, events=events: _baseline(mix, events),
                    "duckdb": lambda mix=mix, events=events: _duckdb(mix, events),
                },
                1 if quick else ROUNDS[events],
                warm=0,
            )
            stats.so_far(found)
    return found


def _layer(mix: str, events: int) -> stats.Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subject = processes.layer(folder)
        with processes.extension(subject) as (running, api):
            deliver.post_all(*api.receiver, mixes.bodies(mix, WARM, seed=1))
            spool.wait_below(folder / "tmp", 0)
            running.settle()
            before_ms, started_s = running.cpu_ms(), time.perf_counter()
            deliverer = deliver.Deliverer(*api.receiver)
            for body in mixes.bodies(mix, events):
                deliverer.post(body)
                spool.wait_below(folder / "tmp", spool.BACKLOG_BYTES)
            spool.wait_below(folder / "tmp", 0)
            wall_s = time.perf_counter() - started_s
            api.shut_down(WINDOW_MS)
            cpu_ms = running.end() - before_ms
        rows = _rows(subject.environ["OTLP2PARQUET_DESTINATION"])
        if rows != WARM + events:
            raise AssertionError(f"{rows} rows of {WARM + events} events")
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    return {
        "cpu_us": cpu_ms * 1_000 / events,
        "events_per_s": events / wall_s,
        "bytes": size / rows,
    }


def _rows(destination: str) -> int:
    code = (
        "import sys; from otlp2parquet_ext.tools import query; "
        "print(query.connect(sys.argv[1]).execute('SELECT count(*) FROM logs').fetchone()[0])"
    )
    command = [sys.executable, "-c", code, destination]
    # DuckDB may print a progress bar before it.
    return int(processes.call(command, PYTHONPATH=str(CHECKOUT)).split()[-1])


def _baseline(mix: str, events: int) -> stats.Figures:
    with (
        sink.running() as where,
        processes.extension(processes.baseline(where.url)) as (running, api),
    ):
        port, _ = api.receiver
        deliver.post_all(port, "/", mixes.bodies(mix, WARM, seed=1))
        api.invoke("warm")
        api.wait_for_next()
        before_ms, started_s = running.cpu_ms(), time.perf_counter()
        deliverer = deliver.Deliverer(port, "/")
        for number, body in enumerate(mixes.bodies(mix, events), 1):
            deliverer.post(body)
            if number * mixes.PER_DELIVERY % FORWARD_EVERY == 0:
                api.invoke(str(number))
                api.wait_for_next()
        wall_s, cpu_ms = time.perf_counter() - started_s, running.cpu_ms() - before_ms
        return {"cpu_us": cpu_ms * 1_000 / events, "events_per_s": events / wall_s}


def _duckdb(mix: str, events: int) -> stats.Figures:
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "events.ndjson", Path(name) / "events.parquet"
        with source.open("w") as file:
            for body in mixes.bodies(mix, events):
                file.writelines(json.dumps(event) + "\n" for event in json.loads(body))
        select = COLUMNS.format(source=source)
        sql = f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        cpu_ms = float(processes.call([sys.executable, "-c", DUCKDB, sql]))
        return {"cpu_us": cpu_ms * 1_000 / events, "bytes": target.stat().st_size / events}
