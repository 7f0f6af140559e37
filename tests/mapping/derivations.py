"""Shared code of tests of derived spans and metrics: an environment, its events, and its rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.records.mapping.derived import closing, derive
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.open_activities import OpenActivities
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext, Invoke

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

Rows = dict[str, list[dict[str, Any]]]
BASE_US = 1_773_480_413_000_000  # 2026-03-14T09:26:53Z
OBSERVED_US = 1_773_482_400_000_000
CONTEXT = EnvironmentContext(
    instance_id="i-1", function_name="orders", function_version="17", region="eu-west-1"
)
ALL = frozenset({"logs", "traces", "metrics"})


class Environment:
    """An execution environment that maps batch after batch, as the flush side does.

    Args:
        invokes: heard before the first batch.
        managed: see `EnvironmentContext`.
        signals: those wanted.
    """

    def __init__(
        self,
        invokes: Iterable[Invoke] = (),
        *,
        managed: bool = False,
        signals: frozenset[str] = ALL,
    ) -> None:
        self.context = msgspec.structs.replace(CONTEXT, managed=managed)
        self.invocations = Invocations()
        self.known = OpenActivities()
        self.signals = signals
        self.rows: Rows = {}
        for invoke in invokes:
            self.invocations.invoked(invoke)

    def mapped(self, *deliveries: Sequence[object]) -> tuple[dict[str, pa.Table], OpenActivities]:
        """Map a batch, changing nothing that is known."""
        bodies = [Delivery(json.dumps(events).encode(), OBSERVED_US) for events in deliveries]
        if "logs" in self.signals:
            log_table(bodies, self.context, self.invocations)
        return derive(bodies, self.context, self.invocations, self.known, self.signals)

    def store(self, *deliveries: Sequence[object]) -> None:
        """Map a batch, and keep what came of it."""
        self._keep(*self.mapped(*deliveries))

    def close(self, reason: str = "spindown", at_ms: int = 900_000) -> None:
        """End the environment, so many milliseconds after the base."""
        now_us = BASE_US + at_ms * 1000
        rest = (self.context, self.invocations, self.signals)
        self._keep(*closing(self.known, reason, now_us, *rest))

    def _keep(self, tables: dict[str, pa.Table], known: OpenActivities) -> None:
        self.known = known
        for name, table in tables.items():
            table.validate(full=True)
            self.rows.setdefault(name, []).extend(table.to_pylist())


def time_text(at_ms: int) -> str:
    """Give the text of a time, so many milliseconds (< 7 000) after the base."""
    return f"2026-03-14T09:26:{53 + at_ms // 1000}.{at_ms % 1000:03}Z"


def event(kind: str, at_ms: int, **record: object) -> dict[str, object]:
    """Make a platform event."""
    return {"time": time_text(at_ms), "type": f"platform.{kind}", "record": record}


def invocation(request_id: str, at_ms: int, **more: object) -> list[dict[str, object]]:
    """Make the three events of an invocation of 10 ms, the whole 12 ms."""
    metrics = {"durationMs": 10.0, "maxMemoryUsedMB": 100}
    rest: dict[str, object] = {"requestId": request_id, "status": "success", **more}
    return [
        event("start", at_ms, requestId=request_id, version="17"),
        event("runtimeDone", at_ms + 10, metrics={"durationMs": 10.0}, **rest),
        event("report", at_ms + 12, metrics=metrics, **rest),
    ]
