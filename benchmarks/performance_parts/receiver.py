"""Measures the receiver's throughput on one core and its CPU per event, without any flush."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from performance_parts import deliver, mixes, processes, sink, stats
from performance_parts.memory import HOLD

EVENTS = 50_000
QUICK_EVENTS = 10_000
SIZES = {"full": 500, "small": 10}
"""Events of a delivery: with a full buffer of the platform, or after the end of an invocation."""

CONNECTIONS = 2
ROUNDS = 4
CORE = 1


def measure(*, quick: bool) -> dict[str, Any]:
    """Return events per second and CPU microseconds an event, by size of the deliveries."""
    found: dict[str, Any] = {}
    for size, per_delivery in SIZES.items():
        events = (QUICK_EVENTS if quick else EVENTS) // (1 if size == "full" else 5)
        bodies = list(mixes.bodies("mix", events, per_delivery))
        found[size] = stats.in_turn(
            {
                "layer": lambda bodies=bodies, events=events: _layer(bodies, events),
                "baseline": lambda bodies=bodies, events=events: _baseline(bodies, events),
            },
            2 if quick else ROUNDS,
        )
        found[size]["delivery"] = {
            "events": per_delivery,
            "bytes": sum(map(len, bodies)) / len(bodies),
        }
    return found


def _layer(bodies: list[bytes], events: int) -> stats.Figures:
    with tempfile.TemporaryDirectory() as name:
        subject = processes.layer(Path(name), **HOLD)
        return _received(subject, bodies, events)


def _baseline(bodies: list[bytes], events: int) -> stats.Figures:
    with sink.running() as where:
        return _received(processes.baseline(where.url), bodies, events)


def _received(subject: processes.Subject, bodies: list[bytes], events: int) -> stats.Figures:
    with processes.extension(subject, core=CORE) as (running, api):
        running.settle()
        # Imports and compilation with the first deliveries are start-up, not throughput.
        deliver.post_all(*api.receiver, mixes.bodies("mix", 500, 10, seed=1), CONNECTIONS)
        before_ms = running.cpu_ms()
        wall_s = deliver.post_all(*api.receiver, bodies, CONNECTIONS)
        cpu_ms = running.cpu_ms() - before_ms
        return {"events_per_s": events / wall_s, "cpu_us": cpu_ms * 1_000 / events}
