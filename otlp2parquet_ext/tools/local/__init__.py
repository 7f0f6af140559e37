"""A Lambda execution environment on a laptop: Runtime, Extensions and Telemetry APIs on loopback.

    plan ──▶ environment ──▶ sandbox (one generation of processes) ──▶ invocations ──▶ outcome

`run(plan)` is the entry point. It starts the extension and the user's function with AWS's own
runtime interface client, freezes them between invocations, and returns what it sent and received.
It uses only the name of our extension's executable, so it can run any extension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.plan import (
    ExtensionProgram,
    Faults,
    Kill,
    KillPoint,
    LogFormat,
    Plan,
)

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.local.environment import run, run_async
    from otlp2parquet_ext.tools.local.outcome import Outcome

__all__ = [
    "ExtensionProgram",
    "Faults",
    "Kill",
    "KillPoint",
    "LogFormat",
    "Outcome",
    "Plan",
    "run",
    "run_async",
]


def __getattr__(name: str) -> object:
    """Import `run` on first use, because describing a plan needs no web server."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from otlp2parquet_ext.tools.local import environment, outcome  # noqa: PLC0415

    return getattr(outcome if name == "Outcome" else environment, name)
