"""A day of two functions, as their environments would store it: logs, spans, sums."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.tables.registry import TABLES, arrow
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW_US = time.time_ns() // 1_000 // 3_600_000_000 * 3_600_000_000 - 1_800_000_000
"""In the middle of the hour before this one: all of it is in one hour, and in the last day."""

DECLINED = "card of order 10 declined"
DEFAULTS = {"timestamptz": 0, "string": "", "int": 0, "long": 0, "double": 0.0, "boolean": False}


class Invocation(NamedTuple):
    """One invocation.

    Attributes:
        function: its name.
        number: tells invocations apart.
        ms: how long it took.
        memory_mb: what it used, of 512 MB.
        init_ms: of a cold start; None for others.
        error: what it failed with; empty when it did not.
    """

    function: str
    number: int
    ms: float
    memory_mb: int
    init_ms: float | None = None
    error: str = ""

    @property
    def request(self) -> str:
        """Its request id."""
        return f"8476a536-e9f4-11e8-9739-{self.number:012}"

    @property
    def trace(self) -> str:
        """The id of its trace."""
        return f"5759e988bd862e3fe1be46a9{self.number:08x}"

    @property
    def span(self) -> str:
        """The id of its span."""
        return f"53995c3f42cd{self.number:04x}"

    @property
    def line(self) -> str:
        """A line it logs, as Python's runtime writes it."""
        return f"[INFO]\t2026-03-14T09:26:53.500Z\t{self.request}\torder {self.number}"

    def at_us(self, ms: float) -> int:
        """Return a moment of it."""
        return NOW_US + self.number * 60_000_000 + int(ms * 1_000)


INVOCATIONS = (
    Invocation("orders", 1, 120.0, 90, init_ms=350.0),
    Invocation("orders", 2, 20.0, 91),
    Invocation("orders", 3, 900.0, 120, error="PaymentDeclinedError"),
    Invocation("till", 4, 30.0, 500, init_ms=800.0),
)


def batches() -> Iterator[Batch]:
    """Yield a batch for each function."""
    for number, function in enumerate(("orders", "till")):
        mine = [i for i in INVOCATIONS if i.function == function]
        tables = {"logs": _logs(mine), "traces": _traces(mine), "metrics_sum": _sums(mine)}
        yield Batch(f"{number:032}", tables)


def _logs(invocations: list[Invocation]) -> pa.Table:
    events = [event for invocation in invocations for event in _events(invocation)]
    body = Delivery(json.dumps(events).encode(), NOW_US)
    context = EnvironmentContext(
        instance_id="i", function_name=invocations[0].function, memory_mb=512
    )
    return log_table([body], context, Invocations()).table


def _events(i: Invocation) -> Iterator[dict[str, Any]]:
    tracing = {"type": "X-Amzn-Trace-Id", "value": f"Root=1-{i.trace[:8]}-{i.trace[8:]};Sampled=1"}
    request = {"requestId": i.request}
    status = "failure" if i.error else "success"
    yield _event(i, 0, "platform.start", request | {"version": "1", "tracing": tracing})
    yield _event(i, 5, "function", i.line)
    if i.error:
        line = {"level": "ERROR", "message": DECLINED, "errorType": i.error}
        yield _event(i, 10, "function", line | request)
    yield _event(i, i.ms, "platform.runtimeDone", request | {"status": status})
    metrics: dict[str, Any] = {
        "durationMs": i.ms,
        "billedDurationMs": i.ms + (i.init_ms or 0),
        "memorySizeMB": 512,
        "maxMemoryUsedMB": i.memory_mb,
    }
    if i.init_ms is not None:
        metrics["initDurationMs"] = i.init_ms
    yield _event(i, i.ms + 1, "platform.report", request | {"status": status, "metrics": metrics})


def _event(i: Invocation, ms: float, kind: str, record: object) -> dict[str, Any]:
    moment = datetime.fromtimestamp(i.at_us(ms) / 1e6, UTC)
    return {"time": moment.isoformat().replace("+00:00", "Z"), "type": kind, "record": record}


def _traces(invocations: list[Invocation]) -> pa.Table:
    return _table("traces", [row for i in invocations for row in _spans(i)])


def _spans(i: Invocation) -> Iterator[dict[str, Any]]:
    shared = {"TraceId": i.trace, "ServiceName": i.function, "FaasInvocationId": i.request}
    failed = {"StatusCode": "STATUS_CODE_ERROR" if i.error else "STATUS_CODE_OK"}
    times = {"Timestamp": i.at_us(0), "Duration": int(i.ms * 1e6)}
    yield shared | failed | times | {"SpanId": i.span, "SpanName": i.function}
    child = {"SpanId": "a" + i.span[1:], "ParentSpanId": i.span, "SpanName": "charge"}
    times = {"Timestamp": i.at_us(7), "Duration": 2_000_000}
    events = {
        "EventsTimestamp": [i.at_us(8), i.at_us(9)],
        "EventsName": ["asked", "exception"],
        "EventsAttributes": ["{}", json.dumps({"exception.type": i.error})],
    }
    yield shared | failed | times | child | (events if i.error else {})


def _sums(invocations: list[Invocation]) -> pa.Table:
    return _table(
        "metrics_sum",
        [
            {
                "Timestamp": i.at_us(i.ms),
                "ServiceName": i.function,
                "MetricName": "faas.errors" if i.error else "faas.invocations",
                "Value": 1.0,
                "AggregationTemporality": 1,
                "IsMonotonic": True,
            }
            for i in invocations
        ],
    )


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    defaults = {
        c.name: [] if c.element_type else None if c.nullable else DEFAULTS[c.type]
        for c in TABLES[name]
    }
    return pa.Table.from_pylist([defaults | row for row in rows], schema=arrow(name))
