"""A day of six functions with known faults, as their environments would store it.

Each invocation is a value. The expected report follows from these values by plain arithmetic, and
the stored events are made of them, too. No query is involved.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOUR_MS = 3_600_000
EVENTS_OF_A_BATCH = 2_000


class Kind(NamedTuple):
    """The properties of one function: `ms` is its median, `tail` the spread of its durations."""

    name: str
    each_hour: int
    memory_mb: int
    used_mb: int
    ms: float
    tail: float
    cold: float = 0.02
    init_ms: float = 300.0
    fails: float = 0.0
    times_out: float = 0.0
    timeout_ms: float = 3_000.0


KINDS = (
    Kind("orders", 80, 512, 141, 48.0, 0.8, fails=0.03),
    Kind("thumbnails", 45, 1_769, 180, 310.0, 0.5),
    Kind("invoices", 24, 256, 238, 640.0, 0.9, times_out=0.02),
    Kind("till", 60, 128, 71, 9.0, 0.4),
    Kind("search-index", 6, 1_024, 602, 95.0, 0.6, cold=0.3, init_ms=2_400.0),
    Kind("nightly-export", 1, 512, 480, 21_000.0, 0.2, timeout_ms=60_000.0),
)


class Invocation(NamedTuple):
    """One invocation: `logged` an error and ended well, or ended with a `status`."""

    function: str
    number: int
    start_ms: int
    ms: float
    memory_mb: int
    used_mb: int
    init_ms: float | None
    status: str
    logged: str

    @property
    def request(self) -> str:
        """Its request id."""
        return f"{self.number:08x}-e9f4-41e8-9739-{self.number * 7919 % 16**12:012x}"

    @property
    def end_ms(self) -> int:
        """When its report came."""
        return self.start_ms + round(self.ms) + 1

    @property
    def billed_ms(self) -> int:
        """The time that Lambda bills: whole milliseconds, including initialisation."""
        return -int(-(self.ms + (self.init_ms or 0)) // 1)


def fleet(now_ms: int, hours: int = 24, seed: int = 7) -> list[Invocation]:
    """Return the invocations of the hours before `now_ms`; the same numbers give the same."""
    chance = random.Random(seed)
    return [
        _invocation(kind, chance, n, now_ms - hour * HOUR_MS)
        for n, (kind, hour) in enumerate(
            (kind, hour)
            for kind in KINDS
            for hour in range(hours, 0, -1)
            for _ in range(_busy(kind.each_hour, hour, chance))
        )
    ]


def _busy(each_hour: int, hour: int, chance: random.Random) -> int:
    """Return how many there are in one hour: fewer at night."""
    return (
        each_hour
        if each_hour == 1
        else round(each_hour * (0.35 + 0.9 * (abs(hour % 24 - 12) / 12)) * chance.uniform(0.8, 1.2))
    )


def _invocation(kind: Kind, chance: random.Random, number: int, hour_ms: int) -> Invocation:
    ms = min(round(kind.ms * chance.lognormvariate(0, kind.tail), 2), kind.timeout_ms - 100)
    drawn = chance.random()
    timeout = drawn < kind.times_out
    start = hour_ms + chance.randrange(HOUR_MS - 70_000)
    cold = chance.random() < kind.cold
    init = round(kind.init_ms * chance.uniform(0.8, 1.3), 2) if cold else None
    logged = f"card of order {number} declined" if drawn < kind.fails else ""
    used = min(kind.memory_mb, round(kind.used_mb * chance.uniform(0.85, 1.0)))
    return Invocation(
        kind.name, number, start, kind.timeout_ms if timeout else ms, kind.memory_mb, used,
        init, "timeout" if timeout else "success", logged,
    )  # fmt: skip


def batches(invocations: Sequence[Invocation]) -> Iterator[Batch]:
    """Yield what is to be stored, functions apart."""
    number = 0
    for name in dict.fromkeys(i.function for i in invocations):
        events = [e for i in invocations if i.function == name for e in events_of(i)]
        for start in range(0, len(events), EVENTS_OF_A_BATCH):
            number += 1
            table = logs(name, events[start : start + EVENTS_OF_A_BATCH])
            yield Batch(f"{number:032}", {"logs": table})


def logs(function: str, events: Sequence[dict[str, Any]]) -> Any:
    """Return events as rows of the table of logs."""
    body = Delivery(json.dumps(events).encode(), events_us(events))
    context = EnvironmentContext(instance_id=f"{function}-1", function_name=function, memory_mb=512)
    return log_table([body], context, Invocations()).table


def events_us(events: Sequence[dict[str, Any]]) -> int:
    """Return the time of the last event, in microseconds."""
    return int(datetime.fromisoformat(events[-1]["time"]).timestamp() * 1e6)


def events_of(i: Invocation) -> Iterator[dict[str, Any]]:
    """Yield what Lambda would deliver for an invocation."""
    request = {"requestId": i.request}
    yield event(i.start_ms, "platform.start", request | {"version": "1"})
    yield event(i.start_ms + 1, "function", _text(i, "INFO", f"{i.function} {i.number} taken"))
    if i.logged:
        yield event(i.start_ms + 2, "function", _text(i, "ERROR", TRACE.format(i=i)))
    if i.status == "timeout":
        yield event(i.start_ms + 40, "function", _text(i, "WARN", "the ledger does not answer"))
    yield event(i.end_ms - 1, "platform.runtimeDone", request | {"status": i.status})
    metrics: dict[str, Any] = {
        "durationMs": i.ms,
        "billedDurationMs": i.billed_ms,
        "memorySizeMB": i.memory_mb,
        "maxMemoryUsedMB": i.used_mb,
    }
    if i.init_ms is not None:
        metrics["initDurationMs"] = i.init_ms
    yield event(i.end_ms, "platform.report", request | {"status": i.status, "metrics": metrics})


TRACE = """order {i.number} could not be charged
Traceback (most recent call last):
  File "/var/task/app.py", line 31, in handler
    charge(order)
app.PaymentDeclinedError: {i.logged}"""


def _text(i: Invocation, level: str, message: str) -> str:
    return f"[{level}]\t{_time(i.start_ms)}\t{i.request}\t{message}"


def _time(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(at_ms: int, kind: str, record: object) -> dict[str, Any]:
    """Return one event as the Telemetry API has it."""
    return {"time": _time(at_ms), "type": kind, "record": record}
