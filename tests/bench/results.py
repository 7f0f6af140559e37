"""Results as `make bench` writes them, made up: every budget is met by a wide margin."""

from __future__ import annotations

from typing import Any

ENVELOPES = ("1769 MB", "512 MB", "128 MB")
ABOUT = {
    "machine": {
        "processor": "Abacus", "cpus": 2, "memory_mb": 4_096, "kernel": "6.1", "python": "3.15.0",
        "architecture": "x86_64", "node": "v20.0.0", "load": 0.3, "commit": "abcdef0",
        "date": "2026-03-14", "limits": {"cpu": "cgroup v1", "memory": "cgroup v1"},
    },
    "quick": False,
    "seconds": 1.0,
}  # fmt: skip


def times(ms: float) -> dict[str, float]:
    """Return what one program took."""
    return {"wall_ms": ms, "cpu_ms": ms / 2}


def memory(mb: float) -> dict[str, float]:
    """Return what was resident, half of it of files."""
    return {"all_mb": mb, "anonymous_mb": mb / 2, "file_mb": mb / 2}


def cell(strategy: str, latency_ms: int, ms: float) -> dict[str, Any]:
    """Return what one environment added to its invocations."""
    of = {"strategy": strategy, "latency_ms": latency_ms, "memory_mb": 512, "pace": "frequent"}
    waited = {"invocations": 101, "over_2_ms": [7] if ms > 2 else []}
    return of | {"first": 300.0, "p50": ms, "p99": ms, "most": ms, **waited}


def good() -> dict[str, Any]:
    """Return results that meet everything."""
    starts = {"python": 10.0, "layer": 15.0, "node": 40.0, "baseline": 80.0}
    moments = {"idle": 20, "collected": 25, "flushing": 60, "flushed": 30}
    of_node = {f"baseline {moment}": 90 for moment in ("idle", "collected", "forwarding")}
    phases = {phase: times(100.0) for phase in ("import", "map", "encode", "commit", "total")}
    flush = {"first": phases, "second": phases, "steady": phases}
    per_event = {
        "layer": {"cpu_us": 8.0, "events_per_s": 90_000.0, "bytes": 40.0},
        "baseline": {"cpu_us": 10.0, "events_per_s": 50_000.0},
        "duckdb": {"cpu_us": 6.0, "bytes": 50.0},
    }
    received = {
        "layer": {"events_per_s": 90_000.0, "cpu_us": 5.0},
        "baseline": {"events_per_s": 40_000.0, "cpu_us": 9.0},
        "delivery": {"events": 500, "bytes": 264_000.0},
    }
    weights = {"json": 640.0, "gzip_ndjson": 42.0, "parquet": 40.0}
    found: dict[str, Any] = {
        "weight": {
            "layer": {"zip_mb": 38.0, "unpacked_mb": 105.0},
            "bytes": {"500": weights, "10000": weights},
            "queries": {"errors by message": {"parquet": 10.0, "gzip_ndjson": 100.0}},
        },
        "start": {
            **{e: {kind: times(ms) for kind, ms in starts.items()} for e in ENVELOPES},
            "imports": [
                {"module": "ours", "self_us": 700, "all_us": 900},
                {"module": "os", "self_us": 500, "all_us": 900},
            ],
            "bare_imports": [{"module": "os", "self_us": 500, "all_us": 900}],
        },
        "memory": {
            **{e: {m: memory(mb) for m, mb in (moments | of_node).items()} for e in ENVELOPES},
            "course": [[0.0, 25.0, 15.0], [1.0, 60.0, 40.0]],
        },
        "receiver": {"full": received, "small": received},
        "whole_way": {
            mix: {"10000": per_event, "1000000": per_event}
            for mix in ("mix", "text", "json", "platform")
        },
        "flushes": {
            "ms": {"sqlite": dict.fromkeys(ENVELOPES, flush)},
            "requests": {"s3": 1, "inbox": 2, "rest": 4},
        },
        "added": {
            "cells": [
                cell(strategy, latency_ms, 0.1)
                for strategy in ("adaptive", "threshold", "baseline")
                for latency_ms in (0, 50, 500)
            ]
        },
    }
    return {name: {**part, "about": ABOUT} for name, part in found.items()}
