"""Measures resident memory: idle, with 50 000 events in the spool, during and after their flush."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from performance_parts import deliver, mixes, processes, sink, spool, stats
from performance_parts.envelopes import ENVELOPES

if TYPE_CHECKING:
    from performance_parts.envelopes import Envelope

EVENTS = 50_000
QUICK_EVENTS = 10_000
ROUNDS = 2
PAUSE_S = 1.0
POINTS = 60
HOLD = {
    "MAX_ITEMS": "1000000",
    "MAX_BYTES": "104857600",
    "TIMEOUT_MS": "900000",
    "OTLP2PARQUET_SPOOL_CAPACITY_BYTES": "536870912",
}
"""Settings with which no flush happens before the end."""


def measure(*, quick: bool) -> dict[str, Any]:
    """Return MB by envelope and moment, and the samples of one flush."""
    found: dict[str, Any] = {}
    events = QUICK_EVENTS if quick else EVENTS
    for envelope in ENVELOPES[:1] if quick else (ENVELOPES[0], ENVELOPES[2]):
        of: dict[str, list[dict[str, float]]] = {}
        for _ in range(1 if quick else ROUNDS):
            for moment, figures in (
                *_collecting(envelope, events).items(),
                *_forwarding(envelope, events).items(),
            ):
                of.setdefault(moment, []).append(figures)
        found[envelope.name] = {moment: stats.medians(rounds) for moment, rounds in of.items()}
        stats.so_far(found)
    flushing, course = _flushing(None, events)
    found["unlimited"] = flushing
    found["course"] = course
    for envelope in () if quick else (ENVELOPES[0], ENVELOPES[2]):
        found[envelope.name] |= _flushing(envelope, events)[0]
    return found


def _collecting(envelope: Envelope, events: int) -> dict[str, dict[str, float]]:
    """Measure only the receiver: all events are spooled, none is flushed."""
    with (
        tempfile.TemporaryDirectory() as name,
        processes.extension(processes.layer(Path(name), **HOLD), envelope) as (running, api),
    ):
        running.settle()
        found = {"idle": running.memory().figures}
        deliver.post_all(*api.receiver, mixes.bodies("mix", events))
        running.settle()
        return found | {"collected": running.memory().figures}


def _forwarding(envelope: Envelope, events: int) -> dict[str, dict[str, float]]:
    """Measure the baseline at the same moments."""
    with (
        sink.running() as where,
        processes.extension(processes.baseline(where.url), envelope) as (running, api),
    ):
        port, _ = api.receiver
        running.settle()
        found = {"baseline idle": running.memory().figures}
        try:
            deliver.post_all(port, "/", mixes.bodies("mix", events))
            running.settle()
            found["baseline collected"] = running.memory().figures
            with processes.Watch(running) as watch:
                api.invoke("1")
                api.wait_for_next()
            found["baseline forwarding"] = watch.peak.figures
        except OSError:  # it exceeded the envelope's memory and was killed
            pass
        return found


def _flushing(
    envelope: Envelope | None, events: int
) -> tuple[dict[str, dict[str, float]], list[list[float]]]:
    """Measure flushes with commits and default settings, and the memory after them."""
    with (
        tempfile.TemporaryDirectory() as name,
        processes.extension(processes.layer(Path(name)), envelope) as (
            running,
            api,
        ),
    ):
        running.settle()
        with processes.Watch(running) as watch, contextlib.suppress(TimeoutError):
            for body in mixes.bodies("mix", events):
                deliver.post_all(*api.receiver, [body])
                spool.wait_below(Path(name) / "tmp", spool.BACKLOG_BYTES)
            spool.wait_below(Path(name) / "tmp", 0)
        time.sleep(PAUSE_S)
        running.settle()
        found = {"flushing": watch.peak.figures, "flushed": running.memory().figures}
        step = max(1, len(watch.samples) // POINTS)
        return found, [[round(s, 3), *memory] for s, memory in watch.samples[::step]]
