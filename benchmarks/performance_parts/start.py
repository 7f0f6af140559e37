"""Measures wall time and CPU from spawn to the first `next`, compared with bare interpreters."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from performance_parts import processes, sink, stats
from performance_parts.envelopes import ENVELOPES
from performance_parts.lambda_api import LambdaApi
from performance_parts.processes import Subject
from performance_parts.stage import START

if TYPE_CHECKING:
    from performance_parts.envelopes import Envelope

ROUNDS = {1_769: 15, 512: 11, 128: 7}
QUICK_ROUNDS = 3
IMPORT = re.compile(r"import time: +(\d+) \| +(\d+) \|( *)(\S+)")


def measure(*, quick: bool) -> dict[str, Any]:
    """Return ms by envelope, kind and `wall_ms`/`cpu_ms`, and the times of imports."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, sink.running() as where:
        folder = Path(name)
        kinds = {
            "python": processes.python(),
            "layer": processes.layer(folder),
            "node": processes.node(),
            "baseline": processes.baseline(where.url),
        }
        for envelope in ENVELOPES[:1] if quick else ENVELOPES:
            rounds = QUICK_ROUNDS if quick else ROUNDS[envelope.memory_mb]
            found[envelope.name] = stats.in_turn(
                {kind: _measuring(kind, subject, envelope) for kind, subject in kinds.items()},
                rounds,
            )
        rounds = QUICK_ROUNDS if quick else ROUNDS[512]
        found["imports"] = imports(kinds["layer"], rounds)
        found["bare_imports"] = imports(kinds["python"], rounds)
    return found


def _measuring(kind: str, subject: Subject, envelope: Envelope) -> Any:
    if kind in ("layer", "baseline"):
        return lambda: until_next(subject, envelope)
    return lambda: to_its_end(subject, envelope)


def to_its_end(subject: Subject, envelope: Envelope | None) -> stats.Figures:
    """Return the times of a program that ends by itself."""
    with processes.started(subject, envelope) as running:
        cpu_ms = running.end()
        return {"wall_ms": running.wall_ms(), "cpu_ms": cpu_ms}


def until_next(subject: Subject, envelope: Envelope | None) -> stats.Figures:
    """Return the times of an extension until its first `next`."""
    seen: stats.Figures = {}
    here: list[processes.Running] = []

    def look() -> None:
        if not seen and here:
            seen.update(wall_ms=here[0].wall_ms(), cpu_ms=here[0].cpu_ms())

    api = LambdaApi(look)
    try:
        with processes.started(subject, envelope, AWS_LAMBDA_RUNTIME_API=api.address) as running:
            here.append(running)
            api.wait_for_next()
    finally:
        api.close()
    return seen


def imports(subject: Subject, rounds: int) -> list[dict[str, Any]]:
    """Return the slowest modules imported before the first `next`, in microseconds.

    Each module has its fastest import of several rounds, because disturbances only add time.
    """
    least: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for own, all_, _, module in IMPORT.findall(_import_times(subject)):
            one = {"module": module, "self_us": int(own), "all_us": int(all_)}
            least[module] = min(one, least.get(module, one), key=lambda one: one["self_us"])
    return sorted(least.values(), key=lambda one: -one["self_us"])


def _import_times(subject: Subject) -> str:
    """Return the interpreter's import times until the first `next`."""
    here: list[processes.Running] = []
    api = LambdaApi(lambda: here[0].process.send_signal(signal.SIGKILL))
    command = (START, "-X", "importtime", *subject.command)
    try:
        with processes.started(
            Subject(command, subject.environ),
            stderr=subprocess.PIPE,
            AWS_LAMBDA_RUNTIME_API=api.address,
        ) as running:
            here.append(running)
            _, said = running.process.communicate(timeout=60)
    finally:
        api.close()
    return str(said.decode())
