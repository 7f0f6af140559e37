"""Shared code of end-to-end tests of the local environment: a plan with the probe extension."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from otlp2parquet_ext.tools.local import ExtensionProgram, Outcome, Plan

HERE = Path(__file__).parent
PROBE = ExtensionProgram(name="probe", command=(sys.executable, str(HERE / "probe_extension.py")))


def plan_with_probe(folder: Path, handler: str = "echo", /, **options: Any) -> Plan:
    """Return a plan: a handler (of `local_handlers`), the probe writing to `folder`, ample CPU.

    `probe` in the options holds the probe's variables without their PROBE_ prefix.
    """
    probe = {f"PROBE_{name}": str(value) for name, value in options.pop("probe", {}).items()}
    payloads = options.pop("payloads", [{}])
    given: dict[str, Any] = {
        "handler": handler if "." in handler or not handler else f"local_handlers.{handler}",
        "code": HERE,
        "extensions": (PROBE,),
        "memory_mb": 1769,
        "timeout_s": 20.0,
        "env": {"PROBE_DIR": str(folder), **probe},
        "events": tuple(json.dumps(payload).encode() for payload in payloads),
    }
    return Plan(**(given | options))


def noted(folder: Path, name: str) -> list[Any]:
    """Return the lines the probe wrote to a file; none when it did not."""
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def received(folder: Path) -> list[dict[str, Any]]:
    """Return every event the probe got, in order."""
    return [event for delivery in noted(folder, "deliveries") for event in delivery["body"]]


def types(events: list[dict[str, Any]]) -> Counter[str]:
    """Count events by type."""
    return Counter(event["type"] for event in events)


def platform(outcome: Outcome, name: str) -> list[dict[str, Any]]:
    """Return the records of all generated events of a platform type."""
    return [
        event.as_dict()["record"] for event in outcome.events if event.type == f"platform.{name}"
    ]
