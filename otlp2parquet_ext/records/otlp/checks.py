"""Checks which records can be stored. Unusual records are stored as they are; few are refused:

a span without its two ids; a metric or a point without data; a count beyond 64 bits signed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.messages import Signal, points, scopes
from otlp2parquet_ext.records.otlp.refusals import BadValueError, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST = 2**63 - 1
_NO_RECORDED_VALUE = 1
_TRACE_ID, _SPAN_ID = 16, 8


def _span(span: Any) -> str | None:
    for name, value, length in (
        ("trace_id", span.trace_id, _TRACE_ID),
        ("span_id", span.span_id, _SPAN_ID),
    ):
        if len(value) != length or not any(value):
            shown = f"'{value[:20].hex()}'" if value else "missing"
            return (
                f".{name} is {shown}: expected {length} bytes ({2 * length} hex digits), not all 0"
            )
    return None


def _metric(metric: Any) -> str | None:
    return None if metric.WhichOneof("data") else f" {metric.name!r} has no data of a known kind"


def _number(point: Any) -> str | None:
    if point.WhichOneof("value") or point.flags & _NO_RECORDED_VALUE:
        return None
    return " has neither as_double nor as_int, nor the flag that says so"


def _histogram(point: Any) -> str | None:
    return _beyond("count", (point.count,)) or _beyond("bucket_counts", point.bucket_counts)


def _exponential(point: Any) -> str | None:
    return (
        _beyond("count", (point.count,))
        or _beyond("zero_count", (point.zero_count,))
        or _beyond("positive.bucket_counts", point.positive.bucket_counts)
        or _beyond("negative.bucket_counts", point.negative.bucket_counts)
    )


def _summary(point: Any) -> str | None:
    return _beyond("count", (point.count,))


def _beyond(name: str, counts: Any) -> str | None:
    most = max(counts, default=0)
    return f".{name} is {most}: expected at most {_MOST}" if most > _MOST else None


CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "opentelemetry.proto.trace.v1.Span": _span,
    "opentelemetry.proto.metrics.v1.Metric": _metric,
    "opentelemetry.proto.metrics.v1.NumberDataPoint": _number,
    "opentelemetry.proto.metrics.v1.HistogramDataPoint": _histogram,
    "opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint": _exponential,
    "opentelemetry.proto.metrics.v1.SummaryDataPoint": _summary,
}
"""Checks by message; each returns the problem with a record, as text that follows its path, or
None."""


def require_storable(record: Any) -> None:
    """Check one record.

    Raises:
        BadValueError: it cannot be stored; the message follows the record's path.
    """
    find = CHECKS.get(record.DESCRIPTOR.full_name)
    if find and (reason := find(record)):
        raise BadValueError(reason)


def check(signal: Signal, request: Any, refusals: Refusals) -> int:
    """Remove the records that cannot be stored from a request; return how many remain.

    Args:
        signal: the request's signal; the records of metrics are the data points.
        request: changed in place if records are refused.
        refusals: collects the refused records.
    """
    kept = 0
    for path, _, _, records in scopes(signal, request):
        if signal is Signal.TRACES:
            _take_out(path, records, _span, refusals)
        if signal is not Signal.METRICS:
            kept += len(records)
            continue
        _take_out(path, records, _metric, refusals)
        for index, metric in enumerate(records):
            kind, found = points(metric)
            if found:
                kind_check = CHECKS[found[0].DESCRIPTOR.full_name]
                _take_out(f"{path}[{index}].{kind}.data_points", found, kind_check, refusals)
            kept += len(found)
    return kept


def _take_out(
    path: str, records: Any, find: Callable[[Any], str | None], refusals: Refusals
) -> None:
    reasons = [(index, reason) for index, one in enumerate(records) if (reason := find(one))]
    for index, reason in reasons:
        refusals.add(f"{path}[{index}]{reason}")
    for index, _ in reversed(reasons):
        del records[index]
