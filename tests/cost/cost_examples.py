"""Workloads for tests: one that a person can compute by hand, and changes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.tools.cost.workload import Workload

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import Settings

BY_HAND: dict[str, Any] = {
    "per_second": 1.0,
    "events": 10.0,
    "size_bytes": 5_000.0,
    "duration_ms": 200.0,
    "environments": 2.0,
    "lifetime_s": 8_640.0,  # ten generations a day
    "memory_mb": 1_024.0,
    "architecture": "x86_64",
    "retention_days": 10.0,
    "committer_every_s": 60.0,
    "woken_by": "events",
    "hold_ms": 100.0,
    "shutdown_ms": 400.0,
}


def workload(**changes: object) -> Workload:
    """Return the workload that is computed by hand, with some changes."""
    return Workload(**(BY_HAND | changes))


def settings(destination: str = "s3://bucket/prefix", **variables: str) -> Settings:
    """Return the defaults with some variables set; their prefix may be left out."""
    environ = {f"OTLP2PARQUET_{name}": value for name, value in variables.items()}
    found, problems = load(environ | {"OTLP2PARQUET_DESTINATION": destination})
    assert not problems, problems
    return found
