"""Maps OTLP data points to the columns of the five metrics tables.

metric --METRICS[kind]--> table, and the columns that only this kind of point has
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.records.mapping.fields import encode
from otlp2parquet_ext.records.otlp.values import bits32, micros, number, read_attributes, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otlp2parquet_ext.records.mapping.attributes import Attributes
    from otlp2parquet_ext.records.otlp.invocation_matching import Belonging


def metric_columns(metric: Any, kind: str) -> dict[str, object]:
    """Return the columns that all points of a metric share."""
    data = getattr(metric, kind)
    shared: dict[str, object] = {
        "MetricName": metric.name,
        "MetricDescription": metric.description or None,
        "MetricUnit": metric.unit or None,
        "MetricMetadata": text(read_attributes(metric.metadata)),
    }
    if kind in {"sum", "histogram", "exponential_histogram"}:
        shared["AggregationTemporality"] = data.aggregation_temporality
    if kind == "sum":
        shared["IsMonotonic"] = data.is_monotonic
    return shared


def point_columns(
    kind: str,
    points: Sequence[Any],
    of_resource: str | None,
    belonging: Belonging,
    received_us: int,
) -> dict[str, list[Any]]:
    """Return the columns in which n points of a metric differ.

    Args:
        kind: kind of the metric: `gauge`, `sum`, ….
        points: its points.
        of_resource: the request id that their resource names, or None.
        belonging: finds their invocations.
        received_us: time of the request's receipt: the time of a point without one.
    """
    columns, own = _KINDS[kind]
    times = [micros(one.time_unix_nano, received_us) for one in points]
    starts = [one.start_time_unix_nano for one in points]
    fields = [read_attributes(one.attributes) for one in points]
    found: dict[str, list[Any]] = {
        "Timestamp": times,
        "StartTimestamp": [micros(start, 0) if start else None for start in starts],
        "Attributes": [text(given, own(one)) for one, given in zip(points, fields, strict=True)],
        "Flags": [bits32(one.flags) for one in points],
        "FaasInvocationId": [
            belonging.find(given.values, of_resource, None, micros(start, time), time)
            for given, start, time in zip(fields, starts, times, strict=True)
        ],
        **columns(points),
    }
    if kind != "summary":
        found["Exemplars"] = [_exemplars(one.exemplars) for one in points]
    return found


def _number(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {"Value": [_value(one) for one in points]}


def _value(point: Any) -> float:
    kind = point.WhichOneof("value")
    if kind == "as_double":
        return float(point.as_double)
    return float(point.as_int) if kind else math.nan


def _histogram(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        **_summed(points),
        "BucketCounts": [list(one.bucket_counts) for one in points],
        "ExplicitBounds": [list(one.explicit_bounds) for one in points],
        **_extremes(points),
    }


def _exponential(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        **_summed(points),
        "Scale": [one.scale for one in points],
        "ZeroCount": [one.zero_count for one in points],
        "PositiveOffset": [one.positive.offset for one in points],
        "PositiveBucketCounts": [list(one.positive.bucket_counts) for one in points],
        "NegativeOffset": [one.negative.offset for one in points],
        "NegativeBucketCounts": [list(one.negative.bucket_counts) for one in points],
        **_extremes(points),
        "ZeroThreshold": [one.zero_threshold for one in points],
    }


def _summary(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        **_summed(points),
        "QuantileValues": [[at.value for at in one.quantile_values] for one in points],
        "QuantileQuantiles": [[at.quantile for at in one.quantile_values] for one in points],
    }


def _summed(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {"Count": [one.count for one in points], "Sum": [one.sum for one in points]}


def _extremes(points: Sequence[Any]) -> dict[str, list[Any]]:
    return {
        "Min": [one.min if one.HasField("min") else None for one in points],
        "Max": [one.max if one.HasField("max") else None for one in points],
    }


def _inexact(point: Any) -> Attributes:
    value = point.as_int
    return {"otel.value_int": str(value)} if int(float(value)) != value else {}


def _without_sum(point: Any) -> Attributes:
    return {} if point.HasField("sum") else {"otel.no_sum": True}


def _nothing(_: Any) -> Attributes:
    return {}


# By kind of metric: the columns that only its points have, and the values without a column.
_KINDS: Mapping[
    str, tuple[Callable[[Sequence[Any]], dict[str, list[Any]]], Callable[[Any], Attributes]]
] = {
    "gauge": (_number, _inexact),
    "sum": (_number, _inexact),
    "histogram": (_histogram, _without_sum),
    "exponential_histogram": (_exponential, _without_sum),
    "summary": (_summary, _nothing),
}


def _exemplars(exemplars: Sequence[Any]) -> str | bytes:
    """Write exemplars as a JSON array of objects with OTLP's names, without unset fields."""
    return encode([_exemplar(one) for one in exemplars]) if exemplars else "[]"


def _exemplar(exemplar: Any) -> Attributes:
    kind = exemplar.WhichOneof("value")
    value = exemplar.as_int if kind == "as_int" else number(exemplar.as_double) if kind else None
    found = {
        "time_unix_nano": str(exemplar.time_unix_nano) if exemplar.time_unix_nano else None,
        "value": value,
        "trace_id": exemplar.trace_id.hex() or None,
        "span_id": exemplar.span_id.hex() or None,
    }
    attributes: Attributes = {key: one for key, one in found.items() if one is not None}
    if exemplar.filtered_attributes:
        fields = read_attributes(exemplar.filtered_attributes)
        attributes["filtered_attributes"] = msgspec.Raw(text(fields))
    return attributes
