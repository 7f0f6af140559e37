"""Measures the CPU of OTLP2PARQUET_REDACT for each event.

    python benchmarks/redaction.py

It prints the CPU of one process, the best of several rounds, for deliveries of 1 000 events as
Lambda writes them. Without the setting, the module is not loaded.
"""

from __future__ import annotations

import json
import time

from otlp2parquet_ext.records.telemetry.redact import MASK_ALL, compile_rules

EVENTS = 1_000
LAPS = 15
REQUEST = "6f7f0961-f834-4211-8a7d-6b4dc5a0e8fd"
AT = "2026-03-14T09:26:53.540Z"
RULES = {
    "one rule": r"password=(\S+)",
    "four rules": r"(?i)password=(\S+)|Bearer\s+(\S+)|"
    r"\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.]+|\b\d{16}\b",
}


def delivery(record: object) -> bytes:
    """Make a delivery of equal events."""
    event = {"time": AT, "type": "function", "record": record}
    return json.dumps([event] * EVENTS, separators=(",", ":")).encode()


TEXT = delivery(f"[INFO]\t{AT}\t{REQUEST}\tstart of work 12, password=hunter2\n")
JSON = delivery(
    {"timestamp": AT, "level": "INFO", "message": "start", "requestId": REQUEST, "password": "x"}
)


def main() -> None:
    """Measure and print."""
    redactors = {name: compile_rules(text).body for name, text in RULES.items()}
    redactors["everything"] = MASK_ALL.body
    for kind, body in (("text line", TEXT), ("JSON log", JSON)):
        for name, redact in redactors.items():
            best = float("inf")
            for _ in range(LAPS):
                started = time.process_time_ns()
                redact(body)
                best = min(best, time.process_time_ns() - started)
            print(f"{kind}, {name}: {best / EVENTS / 1_000:.2f} µs of CPU an event")


if __name__ == "__main__":
    main()
