"""Makes points of the FaaS metrics from new facts; all sums are deltas.

Each event gives one point, with the event's time and request id. SQL `sum` adds up the delta points
of many short-lived environments, which is not possible with cumulative points.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.records.mapping.columns import table
from otlp2parquet_ext.records.mapping.facts import FactKind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.records.mapping.facts import Fact
    from otlp2parquet_ext.records.mapping.open_activities import Activity, News

_DELTA = 1
_SECOND_US = 1e6
_MIB = 1_048_576
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_MIBS = (16, 32, 64, 128, 256, 512, 768, 1024, 2048, 3072, 4096, 6144, 8192)
_SIZES = tuple(float(size * _MIB) for size in _MIBS)
_encode = msgspec.json.Encoder().encode


class Metric(NamedTuple):
    """A metric: the table of its points, its unit, its description, the bounds of a histogram."""

    table: str
    unit: str
    says: str
    bounds: tuple[float, ...] = ()


_SUM, _HISTOGRAM, _GAUGE = "metrics_sum", "metrics_histogram", "metrics_gauge"
METRICS: Mapping[str, Metric] = {
    "faas.invocations": Metric(_SUM, "{invocation}", "Number of successful invocations"),
    "faas.errors": Metric(_SUM, "{error}", "Number of invocation errors"),
    "faas.timeouts": Metric(_SUM, "{timeout}", "Number of invocation timeouts"),
    "faas.coldstarts": Metric(_SUM, "{coldstart}", "Number of invocation cold starts"),
    "faas.invoke_duration": Metric(
        _HISTOGRAM, "s", "Duration of the function's logic execution", _SECONDS
    ),
    "faas.init_duration": Metric(
        _HISTOGRAM, "s", "Duration of the function's initialization, such as a cold start", _SECONDS
    ),
    "faas.mem_usage": Metric(_HISTOGRAM, "By", "Max memory usage per invocation", _SIZES),
    "aws.lambda.billed_duration": Metric(_GAUGE, "s", "Billed duration of the invocation"),
    "aws.lambda.restore_duration": Metric(_GAUGE, "s", "Duration of the restore before it"),
    "aws.lambda.memory_size": Metric(_GAUGE, "By", "Memory the function may use"),
}
"""The metrics of OpenTelemetry's semantic conventions that events report, and three of our own."""


class Point(NamedTuple):
    """One point: the metric's name and value, and its start (None: same as the end) and end."""

    name: str
    value: float
    start_us: int | None
    time_us: int
    request_id: str | None
    attributes: dict[str, object]


def points(news: News, *, managed: bool) -> Iterator[Point]:
    """Yield the points of a fact.

    Args:
        news: the fact, and the activity before it, so that a failure reported twice counts once.
        managed: a Managed Instance, where the report has the fields of the runtimeDone.

    Source: OpenTelemetry semantic conventions, "FaaS metrics"; AWS Lambda developer guide,
    "Telemetry API Event schema reference".
    """
    fact = news.fact
    if fact.failed and not news.before.failure:
        yield _failure(fact.kind, fact.status, fact.error_type, fact.time_us, fact.request_id)
    if fact.kind is FactKind.INVOKE:
        if fact.step is (Step.REPORT if managed else Step.DONE):
            yield from _outcome(fact)
        if fact.step is Step.REPORT:
            yield from _report(fact)
    elif fact.step is Step.REPORT and not fact.of_snapshot:
        # No invocation waited for a snapshot's initialisation; its restore counts instead.
        yield from _measured(fact, "faas.init_duration", fact.duration_us, _SECOND_US)


def closing_points(activity: Activity) -> Iterator[Point]:
    """Yield the failure of an activity that only the SHUTDOWN reports."""
    if activity.failure and not (activity.done or activity.report):
        fact, failure = activity.facts[0], activity.failure
        yield _failure(activity.kind, failure, "", activity.closed_us, fact.request_id)


def point_tables(made: Sequence[Point], same: dict[str, object]) -> dict[str, pa.Table]:
    """Return points as tables by name; tables without rows are left out."""
    tables = {}
    for name, columns in ((_SUM, _values), (_HISTOGRAM, _histograms), (_GAUGE, _values)):
        mine = [point for point in made if METRICS[point.name].table == name]
        if mine:
            tables[name] = table(name, {**_common(mine), **columns(mine)}, {**same, **_SAME})
    return tables


_SAME: dict[str, object] = {
    "Flags": 0,
    "MetricMetadata": "{}",
    "Exemplars": "[]",
    "AggregationTemporality": _DELTA,
    "IsMonotonic": True,
}


def _failure(kind: FactKind, status: str, error_type: str, time_us: int, request_id: str) -> Point:
    is_timeout = kind is FactKind.INVOKE and status == "timeout"
    name = "faas.timeouts" if is_timeout else "faas.errors"
    attributes: dict[str, object] = {"error.type": error_type or status}
    return Point(name, 1.0, None, time_us, request_id or None, attributes)


def _outcome(fact: Fact) -> Iterator[Point]:
    if not fact.failed:
        yield Point("faas.invocations", 1.0, None, fact.time_us, fact.request_id, {})
    yield from _measured(fact, "faas.invoke_duration", fact.duration_us, _SECOND_US)


def _report(fact: Fact) -> Iterator[Point]:
    if fact.cold_start:
        yield Point("faas.coldstarts", 1.0, None, fact.time_us, fact.request_id, {})
    yield from _measured(fact, "faas.mem_usage", fact.max_memory_bytes, 1)
    yield from _measured(fact, "aws.lambda.billed_duration", fact.billed_us, _SECOND_US)
    yield from _measured(fact, "aws.lambda.restore_duration", fact.restore_us, _SECOND_US)
    yield from _measured(fact, "aws.lambda.memory_size", fact.memory_bytes, 1)


def _measured(fact: Fact, name: str, value: int | None, unit: float) -> Iterator[Point]:
    if value is not None:
        began = None if fact.duration_us is None else max(0, fact.time_us - fact.duration_us)
        yield Point(name, value / unit, began, fact.time_us, fact.request_id or None, {})


def _common(made: Sequence[Point]) -> dict[str, list[object]]:
    return {
        "Timestamp": [point.time_us for point in made],
        "StartTimestamp": [point.start_us for point in made],
        "MetricName": [point.name for point in made],
        "MetricDescription": [METRICS[point.name].says for point in made],
        "MetricUnit": [METRICS[point.name].unit for point in made],
        "Attributes": [_encode(point.attributes).decode() for point in made],
        "FaasInvocationId": [point.request_id for point in made],
    }


def _values(made: Sequence[Point]) -> dict[str, list[object]]:
    return {"Value": [point.value for point in made]}


def _histograms(made: Sequence[Point]) -> dict[str, list[object]]:
    values: list[object] = [point.value for point in made]
    bounds = [METRICS[point.name].bounds for point in made]
    return {
        "Count": [1] * len(made),
        "Sum": values,
        "BucketCounts": [
            _one_hot(bisect_left(own, point.value), len(own) + 1)
            for own, point in zip(bounds, made, strict=True)
        ],
        "ExplicitBounds": [*bounds],
        "Min": values,
        "Max": values,
    }


def _one_hot(index: int, length: int) -> list[int]:
    counts = [0] * length
    counts[index] = 1
    return counts
