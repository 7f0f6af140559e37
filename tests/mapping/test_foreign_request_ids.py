"""Whose request id a record names: that of its invocation, or that of something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from either_way import INVOKE_US, REQUEST, by_the_long_way, mapped
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.records.mapping.shapes import OWN_REQUEST_KEYS, REQUEST_KEYS
from otlp2parquet_ext.records.telemetry.values import Invoke

OTHER = "11111111-2222-4333-8444-555555555555"
TRACE_ID = "69b52bcd0f1e2d3c4b5a69788796a5b4"
INVOKE = Invoke(
    request_id=REQUEST,
    received_us=INVOKE_US,
    trace_header="Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent=00f067aa0ba902b7;Sampled=1",
)
TIME = "2026-03-14T09:26:53.589Z"
FOREIGN = [
    "c6af9ac6-7b61-4e69-9a41-93e8deadbeef",  # API Gateway's REST APIs
    "JKJaXmPLvHcESHA=",  # API Gateway's HTTP APIs
    "UBI5TJ3KPB0PKBJ0F6TDLLHF4RVV4KQNSO5AEMVJF66Q9ASUAAJG",  # DynamoDB
    "4442587FB7D0A2F9",  # S3
    "req-1",
]


def event(record: object, kind: str = "function") -> dict[str, object]:
    """Make an event of the invocation."""
    return {"time": TIME, "type": kind, "record": record}


def rows_of(
    *events: dict[str, object], invokes: tuple[Invoke, ...] = (INVOKE,), **context: Any
) -> list[dict[str, Any]]:
    """Map events by the short way and the long one, which must agree; return the rows."""
    body = json.dumps(events, separators=(",", ":")).encode()
    short, long = (way([body], invokes, **context).table for way in (mapped, by_the_long_way))
    assert short.equals(long)
    made: list[dict[str, Any]] = short.to_pylist()
    return made


@pytest.mark.parametrize("key", [key for key in REQUEST_KEYS if key not in OWN_REQUEST_KEYS])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_an_id_that_is_no_invocations_stays_an_attribute(key: str, foreign: str) -> None:
    """The row belongs to the invocation in whose time it was logged, and has its trace."""
    for record in ({"message": "m", key: foreign}, {key: foreign, "status": 400}):
        for sent in (record, json.dumps(record)):
            (row,) = rows_of(event(sent))
            assert row["FaasInvocationId"] == REQUEST
            assert row["TraceId"] == TRACE_ID
            attributes = json.loads(row["LogAttributes"])
            assert attributes[key] == foreign
            assert attributes["faas.invocation_id"] == REQUEST


@pytest.mark.parametrize("key", REQUEST_KEYS)
def test_an_id_that_an_invoke_told_is_that_of_the_invocation(key: str) -> None:
    """Under any key; it needs no attribute of its own then."""
    earlier = Invoke(request_id=OTHER, received_us=INVOKE_US - 1_000)
    (row,) = rows_of(event({"message": "late", key: OTHER}), invokes=(earlier, INVOKE))
    assert row["FaasInvocationId"] == OTHER
    assert key not in json.loads(row["LogAttributes"])


@pytest.mark.parametrize("key", REQUEST_KEYS)
@pytest.mark.parametrize("managed", [True, False])
def test_an_id_that_a_start_told_is_that_of_the_invocation(key: str, *, managed: bool) -> None:
    """No INVOKE comes on Managed Instances."""
    start = event({"requestId": OTHER}, "platform.start")
    *_, row = rows_of(start, event({"message": "m", key: OTHER}), invokes=(), managed=managed)
    assert row["FaasInvocationId"] == OTHER


@pytest.mark.parametrize("key", OWN_REQUEST_KEYS)
def test_the_keys_of_runtimes_name_invocations_nobody_told_of(key: str) -> None:
    """They hold no other id: a late line of an environment that ended names its own."""
    (row,) = rows_of(event({"message": "m", key: OTHER}))
    assert row["FaasInvocationId"] == OTHER


def test_the_key_of_a_runtime_comes_before_that_of_anybody() -> None:
    """A record of Powertools about a response of DynamoDB has both."""
    record = {"message": "m", "requestId": FOREIGN[2], "function_request_id": REQUEST}
    (row,) = rows_of(event(record))
    assert row["FaasInvocationId"] == REQUEST
    assert json.loads(row["LogAttributes"])["requestId"] == FOREIGN[2]


NESTED: list[dict[str, Any]] = [
    {"span": {"requestId": OTHER, "name": "Lambda runtime invoke"}},
    {"spans": [{"name": "outer"}, {"requestId": OTHER, "name": "Lambda runtime invoke"}]},
    {"mdc": {"AWSRequestId": OTHER}},
    {"contextMap": {"AWSRequestId": OTHER}},
]


@pytest.mark.parametrize("nested", NESTED)
def test_ids_are_found_where_loggers_nest_them(nested: dict[str, Any]) -> None:
    """Rust's tracing and Java's contexts; on Managed Instances no window would tell."""
    start = event({"requestId": OTHER}, "platform.start")
    for record in ({"message": "m", **nested}, {"fields": {"message": "m"}, **nested}):
        *_, row = rows_of(start, event(record), invokes=(), managed=True)
        assert row["FaasInvocationId"] == OTHER
        kept = json.loads(row["LogAttributes"])
        assert {key: kept[key] for key in nested} == nested


@pytest.mark.parametrize("nested", [{}, [], "span", None, {"requestId": 5}, [{"requestId": ""}, 1]])
def test_what_is_nested_otherwise_is_no_id(nested: object) -> None:
    """The window decides, as without it."""
    (row,) = rows_of(event({"message": "m", "span": nested, "spans": nested}))
    assert row["FaasInvocationId"] == REQUEST


def test_while_no_invocation_is_known_an_id_like_lambdas_counts() -> None:
    """An ingest function knows no invocations, nor do Managed Instances without platform events."""
    for context in ({}, {"managed": True}):
        (row,) = rows_of(event({"message": "m", "requestId": OTHER}), invokes=(), **context)
        assert row["FaasInvocationId"] == OTHER
        for foreign in FOREIGN[1:]:
            (row,) = rows_of(event({"message": "m", "requestId": foreign}), invokes=(), **context)
            assert row["FaasInvocationId"] is None


@given(
    st.lists(st.sampled_from(REQUEST_KEYS), unique=True).flatmap(
        lambda keys: st.fixed_dictionaries(
            {key: st.sampled_from([REQUEST, OTHER, *FOREIGN, "", None, 7]) for key in keys}
        )
    )
)
def test_no_foreign_id_makes_an_invocation_and_no_id_is_lost(ids: dict[str, Any]) -> None:
    """This holds for any combination of keys."""
    told = Invoke(request_id=OTHER, received_us=INVOKE_US - 1_000)
    (row,) = rows_of(event({"message": "m", **ids}), invokes=(told, INVOKE))
    own = {ids[key] for key in OWN_REQUEST_KEYS if ids.get(key)}
    assert row["FaasInvocationId"] in {REQUEST, OTHER} | own
    kept = json.loads(row["LogAttributes"])
    for key, value in ids.items():
        assert kept.get(key) == value or row["FaasInvocationId"] == value
