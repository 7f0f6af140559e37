"""Which invocation a record sent over OTLP belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.mapping.trace import Trace
from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.telemetry.values import Invoke

SECOND = 1_000_000
FIRST_US = 1_773_482_400_000_000
TRACE = "5b8efff798038103d269b633813fc60c"


def invocations(trace_of_second: str = TRACE) -> Invocations:
    """Give two invocations ten seconds apart; the trace is that of the second."""
    known = Invocations()
    known.invoked(Invoke(request_id="r-1", received_us=FIRST_US))
    root = f"Root=1-{trace_of_second[:8]}-{trace_of_second[8:]};Parent=eee19b7ec3c1b174;Sampled=1"
    known.invoked(Invoke(request_id="r-2", received_us=FIRST_US + 10 * SECOND, trace_header=root))
    return known


def attribute(pairs: Any, key: str, value: str) -> None:
    """Add an attribute."""
    pairs.add(key=key).value.string_value = value


def of_span(known: Invocations, start_us: int, **given: str) -> str | None:
    """Give the request id of a span that starts at a time; `given` are a record's attributes."""
    request: Any = request_class(Signal.TRACES)()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id = bytes.fromhex(given.pop("trace", "ab" * 16))
    span.span_id = b"12345678"
    span.start_time_unix_nano = start_us * 1000
    if resource := given.pop("resource", ""):
        attribute(request.resource_spans[0].resource.attributes, "faas.invocation_id", resource)
    for key, value in given.items():
        attribute(span.attributes, key.replace("__", "."), value)
    return found(Signal.TRACES, request, known, "traces")


def found(signal: Signal, request: Any, known: Invocations, table: str) -> str | None:
    """Give the request id of the one record of a request."""
    payload = (request.SerializeToString(), FIRST_US)
    tables = otlp_tables(signal, [payload], Resource("s", None, "i", "{}"), known)
    (request_id,) = tables[table].column("FaasInvocationId").to_pylist()
    assert request_id is None or isinstance(request_id, str)
    return request_id


@pytest.mark.parametrize("key", ["faas__invocation_id", "faas__execution"])
def test_what_a_span_says_itself_comes_first(key: str) -> None:
    """Instrumentation of the handler knows its request id."""
    own = {key: "own", "trace": TRACE, "resource": "of resource"}
    assert of_span(invocations(), FIRST_US, **own) == "own"


def test_what_its_resource_says_comes_second() -> None:
    """Some SDKs create a resource for each invocation."""
    assert of_span(invocations(), FIRST_US, trace=TRACE, resource="of resource") == "of resource"


def test_its_trace_comes_third() -> None:
    """A span may begin in one invocation's window and be of another's trace."""
    assert of_span(invocations(), FIRST_US, trace=TRACE) == "r-2"


def test_of_invocations_in_one_trace_the_one_open_then_is_meant() -> None:
    """A retried event, or a workflow that calls the same function twice."""
    known = invocations()
    known.started("r-1", FIRST_US, Trace(TRACE, None, 1))
    assert of_span(known, FIRST_US + 5 * SECOND, trace=TRACE) == "r-1"
    assert of_span(known, FIRST_US + 15 * SECOND, trace=TRACE) == "r-2"
    assert of_span(known, FIRST_US - SECOND, trace=TRACE) == "r-1"


def test_its_time_comes_last() -> None:
    """Without X-Ray's context a span's trace is its own."""
    assert of_span(invocations(), FIRST_US + SECOND) == "r-1"
    assert of_span(invocations(), FIRST_US + 10 * SECOND) == "r-2"
    assert of_span(invocations(), FIRST_US - SECOND) is None
    assert of_span(Invocations(), FIRST_US) is None


def test_invocations_side_by_side_are_told_apart_by_trace_only() -> None:
    """On managed instances a moment belongs to many."""
    known = Invocations()
    known.started("m-1", FIRST_US, Trace(TRACE, None, 1), opens_window=False)
    assert of_span(known, FIRST_US + SECOND, trace=TRACE) == "m-1"
    assert of_span(known, FIRST_US + SECOND) is None


def test_a_request_id_of_another_service_is_not_the_invocations() -> None:
    """`aws.request_id` is what S3 or DynamoDB answered."""
    assert of_span(invocations(), FIRST_US - SECOND, aws__request_id="S3") is None


def test_an_id_that_is_no_text_is_no_id() -> None:
    """An empty id is none either."""
    assert of_span(invocations(), FIRST_US, faas__invocation_id="") == "r-1"


def test_a_log_belongs_where_it_happened() -> None:
    """Its trace, else its time, else when it was observed."""
    request: Any = request_class(Signal.LOGS)()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.observed_time_unix_nano = (FIRST_US + SECOND) * 1000
    assert found(Signal.LOGS, request, invocations(), "logs") == "r-1"
    record.trace_id = bytes.fromhex(TRACE)
    assert found(Signal.LOGS, request, invocations(), "logs") == "r-2"


@pytest.mark.parametrize(
    ("start_s", "end_s", "request_id"),
    [
        (1, 5, "r-1"),
        (11, 12, "r-2"),
        (1, 12, None),
        (-5, 5, None),
        (None, 5, "r-1"),
        (-5, -1, None),
    ],
)
def test_a_point_belongs_to_an_invocation_that_holds_its_whole_interval(
    start_s: int | None, end_s: int, request_id: str | None
) -> None:
    """A sum over several invocations, or since start-up, belongs to none."""
    request: Any = request_class(Signal.METRICS)()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    point = metric.sum.data_points.add(as_int=1)
    point.time_unix_nano = (FIRST_US + end_s * SECOND) * 1000
    if start_s is not None:
        point.start_time_unix_nano = (FIRST_US + start_s * SECOND) * 1000
    assert found(Signal.METRICS, request, invocations(), "metrics_sum") == request_id
