"""Measures the cost of each signal: CPU and Parquet bytes, by `OTLP2PARQUET_SIGNALS`.

    python benchmarks/derived_signals.py [EVENTS]

The reference mix is mapped and encoded 500 events at a time, about the batch of the default
`MAX_BYTES`. It has three platform events per invocation, and one invocation in seventeen events.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference_mix import BEGIN_S, FUNCTION, bodies

from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.records.mapping.derived import derive
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.open_activities import OpenActivities
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    import pyarrow as pa

CONTEXT = EnvironmentContext(instance_id="5d41402abc4b2a76b9719d911017c592", function_name=FUNCTION)
SIGNALS = ("logs", "logs,traces", "logs,metrics", "logs,traces,metrics")
RUNS = 15


def tables_of(deliveries: list[Delivery], signals: frozenset[str]) -> list[dict[str, pa.Table]]:
    """Map batch after batch, as the flush does."""
    invocations, known, made = Invocations(), OpenActivities(), []
    for delivery in deliveries:
        logs = log_table([delivery], CONTEXT, invocations).table
        derived, known = derive([delivery], CONTEXT, invocations, known, signals)
        made.append({"logs": logs, **derived})
    return made


def measure(deliveries: list[Delivery], signals: str) -> tuple[float, float, int]:
    """Return CPU seconds of mapping and of encoding, and bytes."""
    began = time.process_time()
    made = tables_of(deliveries, frozenset(signals.split(",")))
    mapped = time.process_time()
    files = [encode(table, TABLES[name]) for tables in made for name, table in tables.items()]
    encoded = time.process_time()
    return mapped - began, encoded - mapped, sum(file.data.size for file in files)


def main() -> None:
    """Print a row for each choice of signals: the best of some runs, taken in turns."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    deliveries = [
        Delivery(body, int((BEGIN_S + count * 500 / 200) * 1e6))
        for count, body in enumerate(bodies(events), 1)
    ]
    last = tables_of(deliveries, frozenset(SIGNALS[-1].split(",")))
    for name in sorted({name for tables in last for name in tables}):
        print(name, sum(tables[name].num_rows for tables in last if name in tables), "rows")
    runs = [[measure(deliveries, signals) for signals in SIGNALS] for _ in range(RUNS)]
    print("| signals | mapping, µs an event | encoding, µs an event | bytes an event |")
    print("|---|---|---|---|")
    for signals, found in zip(SIGNALS, zip(*runs, strict=True), strict=True):
        mapping, encoding, sizes = zip(*found, strict=True)
        per_event = (min(mapping) * 1e6 / events, min(encoding) * 1e6 / events, sizes[0] / events)
        print(f"| `{signals}` | " + " | ".join(f"{figure:.1f}" for figure in per_event) + " |")


if __name__ == "__main__":
    main()
