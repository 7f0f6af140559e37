"""Measures the time that an extension adds to each invocation: by strategy, latency and pace.

It runs in `otlp2parquet_ext.tools.local`, which freezes between invocations as Lambda does.
Invocations with gaps of more than ten seconds count as rare (docs/flushing.md).
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from reserved_port import ReservedPort

from otlp2parquet_ext.tools import local
from otlp2parquet_ext.tools.local import ExtensionProgram, Plan
from performance_parts import sink, stats
from performance_parts.processes import BASELINE
from performance_parts.stage import CHECKOUT, EXTENSION

RUNTIME = (sys.executable, "-I", "-S", str(CHECKOUT / "tests/faults/runtime.py"))
STEPS = json.dumps({"steps": [["say", 10, 200], ["sleep", 30]]}).encode()
STRATEGIES = ("adaptive", "end", "threshold")
LATENCIES_MS = (0, 50, 500)
FREQUENT_GAP_MS, RARE_GAP_MS = 50, 10_200
INVOCATIONS, QUICK_INVOCATIONS, RARE_INVOCATIONS = 41, 10, 7
MANY = {"adaptive": 101, "threshold": 101}
"""Number of invocations: the first and a hundred more, so that their 99th percentile is not the
maximum."""

BESIDE, APART_S = 8, 1.2
"""Number of concurrent environments with rare invocations, which are frozen nearly all the time,
and seconds between their starts, so that they do not wake together."""


@dataclass(frozen=True)
class Cell:
    """One environment to measure."""

    strategy: str
    latency_ms: int
    gap_ms: int = FREQUENT_GAP_MS
    invocations: int = INVOCATIONS
    memory_mb: int = 512

    @property
    def pace(self) -> str:
        """Name of the pace in results."""
        return "rare" if self.gap_ms == RARE_GAP_MS else "frequent"


def measure(*, quick: bool) -> dict[str, Any]:
    """Return the ms added after the function's end: first, median, 99th percentile, maximum."""
    spawn = multiprocessing.get_context("spawn")
    cells = list(_cells(quick=quick))
    rare = [cell for cell in cells if cell.pace == "rare"]
    found = []
    for cell in cells:
        if cell not in rare:
            found.append({**asdict(cell), "pace": cell.pace, **run(cell)})
            stats.so_far({"cells": found})
    if rare:
        with ProcessPoolExecutor(BESIDE, mp_context=spawn) as pool:
            begun = []
            for cell in rare:
                begun.append(pool.submit(run, cell))
                time.sleep(APART_S)
            for cell, figures in zip(rare, begun, strict=True):
                found.append({**asdict(cell), "pace": cell.pace, **figures.result()})
    return {"cells": found}


def _cells(*, quick: bool) -> list[Cell]:
    strategies = (*STRATEGIES, "baseline")
    if quick:
        return [Cell(strategy, 50, invocations=QUICK_INVOCATIONS) for strategy in strategies]
    found = [
        Cell(strategy, ms, invocations=MANY.get(strategy, INVOCATIONS))
        for strategy in strategies
        for ms in LATENCIES_MS
    ]
    found += [Cell(strategy, 50, memory_mb=128) for strategy in strategies]
    rare = {"gap_ms": RARE_GAP_MS, "invocations": RARE_INVOCATIONS}
    found += [Cell(strategy, ms, **rare) for strategy in STRATEGIES[:2] for ms in LATENCIES_MS]
    return [*found, Cell("threshold", 50, **rare), Cell("baseline", 50, **rare)]


def run(cell: Cell) -> dict[str, Any]:
    """Run one environment."""
    port = ReservedPort()
    with sink.running(cell.latency_ms) as where:
        outcome = local.run(_plan(cell, where.url, port.number))
    bad = [one.status for one in outcome.invocations if one.status != "success"]
    assert not bad, (bad, outcome.extension_lines)
    added = [one.post_runtime_extension_ms for one in outcome.invocations]
    later = added[1:]
    return {
        "first": added[0],
        "p50": stats.median(later),
        "p99": stats.quantile(later, 0.99),
        "most": max(later),
        "over_2_ms": [number for number, ms in enumerate(added[1:], 2) if ms > 2],
    }


def _plan(cell: Cell, sink_url: str, port: int) -> Plan:
    layer = ExtensionProgram(name="otlp2parquet", command=(EXTENSION,))
    node = shutil.which("node") or "node"
    forwarder = ExtensionProgram(name=BASELINE.name, command=(node, str(BASELINE)))
    baseline = cell.strategy == "baseline"
    environ = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "RECEIVER_PORT": str(port),
        **(
            {"FORWARD_TO": sink_url, "EXTENSION_NAME": BASELINE.name}
            if baseline
            else {"OTLP2PARQUET_FLUSH": cell.strategy}
        ),
    }
    return Plan(
        command=RUNTIME,
        code=CHECKOUT,
        extensions=(forwarder if baseline else layer,),
        memory_mb=cell.memory_mb,
        timeout_s=20,
        invocations=cell.invocations,
        events=(STEPS,),
        gap_ms=cell.gap_ms,
        destination="" if baseline else f"s3://lake/logs?endpoint={sink_url}",
        env=environ,
    )
