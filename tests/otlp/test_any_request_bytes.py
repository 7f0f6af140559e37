"""Properties that hold for all bodies: random bytes, random JSON, real requests damaged."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_strategies import requests

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.requests import OtlpError, Signal, read_request, response
from otlp2parquet_ext.records.otlp.tables import otlp_tables

FIELDS = ["resourceLogs", "scopeLogs", "logRecords", "resource", "scope", "attributes", "key"]
FIELDS += ["value", "body", "intValue", "doubleValue", "arrayValue", "values", "bytesValue"]
FIELDS += ["traceId", "timeUnixNano", "severityNumber", "resourceSpans", "scopeSpans", "spans"]
FIELDS += ["resourceMetrics", "scopeMetrics", "metrics", "sum", "histogram", "dataPoints", "count"]
CASES = [
    json.dumps(case["request"])
    for path in sorted((Path(__file__).parent / "requests").glob("*.json"))
    for case in json.loads(path.read_text())
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["1", "-5", "1e5", "NaN", "abcd", "AA=="]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def check(signal: Signal, body: bytes, *, as_json: bool) -> None:
    """Read a body and check what must hold for any."""
    accepted = None
    with contextlib.suppress(OtlpError):
        accepted = read_request(signal, body, json=as_json)
    if accepted is None:
        return
    assert bool(accepted.payload) == bool(accepted.records)
    assert bool(accepted.why) == bool(accepted.rejected)
    json.loads(response(signal, accepted, json=True))
    if accepted.payload:
        tables = otlp_tables(
            signal, [(accepted.payload, 1)], Resource("s", None, "i", "{}"), Invocations()
        )
        assert sum(table.num_rows for table in tables.values()) == accepted.records
        for table in tables.values():
            table.validate(full=True)
        again = read_request(signal, accepted.payload, json=False)
        assert (again.records, again.rejected) == (accepted.records, 0)


@given(body=st.binary(max_size=200), signal=st.sampled_from(Signal), as_json=st.booleans())
def test_any_bytes_are_read_or_refused(body: bytes, signal: Signal, *, as_json: bool) -> None:
    """Anything in the sandbox can post."""
    check(signal, body, as_json=as_json)


@given(json_values, st.sampled_from(Signal))
def test_any_json_is_read_or_refused(value: object, signal: Signal) -> None:
    """Names that mean something, with values that do not."""
    check(signal, json.dumps(value).encode(), as_json=True)


@given(st.data(), json_values)
def test_a_real_request_with_one_value_replaced_is_read_or_refused(
    data: st.DataObject, value: object
) -> None:
    """Every path of the request meets every type of value."""
    document = json.loads(data.draw(st.sampled_from(CASES)))
    at = document
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            at[key] = value
            break
        at = at[key]
    for signal in Signal:
        check(signal, json.dumps(document).encode(), as_json=True)


@pytest.mark.parametrize("signal", Signal)
@given(data=st.data())
def test_damaged_requests_are_read_or_refused(signal: Signal, data: st.DataObject) -> None:
    """Real requests with bytes cut out, overwritten or put in."""
    body = bytearray(data.draw(requests(signal)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        length = data.draw(st.integers(0, 3))
        body[at : at + length] = data.draw(st.binary(max_size=3))
    check(signal, bytes(body), as_json=False)
