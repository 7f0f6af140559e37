"""Measures requests to an ingest function: CPU of the first in a process and of the next ones.

python benchmarks/ingest.py        the destination is an SQLite catalog on this disk

Each line is the median of five processes. `start` is the time before the first event (interpreter,
imports, opening), `first` the first request with its commit, `next` the median of the next ones,
each with its own commit, and `stored` that of requests which wait in the inbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from statistics import median

REPEATS = 5
REQUESTS = 20
SIZES = (1, 100, 2_000)


def event(records: int, number: int) -> dict[str, object]:
    """Make an event of a function URL; another `number` gives another request."""
    at_ns = 1_773_480_413_510_000_000 + number * 1_000_000_000
    made = [
        {
            "timeUnixNano": str(at_ns + 1_000 * i),
            "severityNumber": 9,
            "body": {"stringValue": f"order {i} of customer {i % 97} was accepted"},
            "attributes": [{"key": "order.id", "value": {"intValue": str(i)}}],
        }
        for i in range(records)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    request = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": made}]}]}
    return {
        "rawPath": "/v1/logs",
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "headers": {"content-type": "application/json"},
        "body": json.dumps(request),
        "isBase64Encoded": False,
    }


def one_process(records: int, commit: str) -> None:
    """Handle requests; print the CPU of the start and of each request in ms."""
    from otlp2parquet_ext.functions.ingest.service import IngestService  # noqa: PLC0415 - it is measured

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite://{folder}/catalog.db?warehouse={folder}/lake"
        service = IngestService(
            {"OTLP2PARQUET_INGEST_DESTINATION": url, "OTLP2PARQUET_COMMIT": commit}
        )
        service.warm_up()
        used_ms = [time.process_time() * 1_000]
        for number in range(REQUESTS):
            given = event(records, number)
            before = time.process_time()
            assert service.answer(given, time.time_ns() // 1_000_000 + 60_000)["statusCode"] == 200
            used_ms.append((time.process_time() - before) * 1_000)
    print(json.dumps(used_ms))


def main() -> None:
    """Measure each size in separate processes."""
    print("| log records | start ms | first ms | next ms | stored ms |\n|---|---|---|---|---|")
    for records in SIZES:
        found: dict[str, list[list[float]]] = {"direct": [], "inbox": []}
        for _ in range(REPEATS):
            for commit, runs in found.items():
                command = [sys.executable, __file__, str(records), commit]
                done = subprocess.run(command, capture_output=True, check=True)
                runs.append(json.loads(done.stdout))
        direct, inbox = found.values()
        figures = (
            median(run[0] for run in direct),
            median(run[1] for run in direct),
            median(median(run[2:]) for run in direct),
            median(median(run[2:]) for run in inbox),
        )
        print(f"| {records} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one_process(int(sys.argv[1]), sys.argv[2])
    else:
        main()
