"""The cost of an event on the flush side, in figures that are the same on every machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hot_loop
import pytest
import reference_mix

from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.rows import PORTION
from otlp2parquet_ext.records.tables.logs import COLUMNS, LOGS
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

ROOT = Path(__file__).parents[2]
FIRST_STORE = """
import sys
sys.modules["numpy"] = None  # as in the layer: Arrow imports it where there is one
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.spool import FrameKind, Segment
from otlp2parquet_ext.records.digests import digest_of
body = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":{"message":"m","a":1.50}}]'
segment = Segment.in_memory()
segment.append(FrameKind.DELIVERY, body, 1, digest_of(body), 1)
side = FlushPipeline(load({"OTLP2PARQUET_DESTINATION": sys.argv[1]})[0], {})
before = set(sys.modules)
assert side.store(segment).safe
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
print(*sorted(name for name in sys.modules if name.startswith("pyarrow")))
"""


@pytest.mark.parametrize(("kind", "most"), [("text", 19), ("json", 24), ("platform", 38)])
def test_an_event_takes_no_more_calls_than_it_did(kind: str, most: int) -> None:
    """Function calls take most of the loop's time; decision 0020 has the figures."""
    assert hot_loop.calls(kind) <= most


def test_events_of_the_reference_mix_weigh_no_more_than_they_did() -> None:
    """Users pay for storage by the month, so faster encoding may not make larger files."""
    table = reference_mix.rows(10_000)
    assert encode(table, COLUMNS).data.size / table.num_rows <= 40.0


@pytest.mark.parametrize("per_delivery", [1, 7, 5_000])
def test_columns_have_chunks_of_a_thousand_rows_however_they_were_delivered(
    per_delivery: int,
) -> None:
    """Busy functions deliver ten events at a time.

    A chunk for each would cost more than the events.
    """
    bodies = reference_mix.bodies(5_000, per_delivery)
    deliveries = [Delivery(body, count) for count, body in enumerate(bodies)]
    table = log_table(deliveries, EnvironmentContext(instance_id="i"), Invocations()).table
    table.validate(full=True)
    chunks = [table.column(name).num_chunks for name in LOGS.names]
    assert table.num_rows == 5_000
    assert max(chunks) <= -(-5_000 // PORTION)
    observed = table.column("ObservedTimestamp").cast("int64").to_pylist()
    assert observed == [n // per_delivery for n in range(5_000)]


def test_a_first_store_to_a_folder_imports_arrow_and_nothing_else_of_weight(tmp_path: Path) -> None:
    """On a fourteenth of a CPU each further module adds billed milliseconds."""
    command = [sys.executable, "-c", FIRST_STORE, f"file://{tmp_path}/lake"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    new, arrow = done.stdout.splitlines()
    packages = {name for name in new.split() if not name.startswith(("_cython_", "cython_"))}
    assert packages - sys.stdlib_module_names <= {"otlp2parquet_ext", "pyarrow"}
    assert packages & {"ssl", "http", "email", "asyncio", "xml", "sqlite3", "ctypes"} == set()
    parts = {"_generated_version", "_parquet", "ipc", "lib", "types", "util", "vendored"}
    assert {name.split(".")[1] for name in arrow.split() if "." in name} <= parts


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_the_memory_of_a_batch_returns_when_it_is_stored() -> None:
    """A function of 128 MB lacks all memory that the extension keeps after a batch."""
    found = hot_loop.memory()
    after = [value for name, value in found.items() if name.startswith("after_")]
    assert after[-1] - found["warm"] < 12, found
    assert after[-1] - after[1] < 6, found
