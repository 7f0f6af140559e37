"""Generated requests → bytes → tables: equal to what went in, field by field, in both encodings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from expected_rows import comparable, expected, without_json_bodies
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from requests_strategies import as_json, requests

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.requests import Signal, read_request
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.tables.registry import arrow

if TYPE_CHECKING:
    import pyarrow as pa

RECEIVED_US = 1_773_482_400_000_000
ENVIRONMENT = Resource("orders", "shop", "i-1", '{"cloud.provider":"aws","faas.name":"orders"}')


def tables(signal: Signal, *payloads: bytes) -> dict[str, pa.Table]:
    """Give the tables of payloads that all came at `RECEIVED_US`, and check their schemas."""
    found = otlp_tables(
        signal, [(one, RECEIVED_US) for one in payloads], ENVIRONMENT, Invocations()
    )
    for name, table in found.items():
        table.validate(full=True)
        assert table.schema.equals(arrow(name), check_metadata=True)
        for field in table.schema:
            assert field.nullable or table.column(field.name).null_count == 0, field.name
    return found


def rows(found: dict[str, pa.Table]) -> dict[str, list[dict[str, Any]]]:
    """Give the rows of each table, comparable."""
    return {name: comparable(table.to_pylist()) for name, table in found.items()}


@pytest.mark.parametrize("signal", Signal)
@examples(0.15)
@given(data=st.data())
def test_a_request_gives_the_rows_it_says(signal: Signal, data: st.DataObject) -> None:
    """Nothing an SDK may send gets lost between its bytes and the table."""
    request = data.draw(requests(signal))
    body = request.SerializeToString()
    accepted = read_request(signal, body, json=False)
    assert accepted.rejected == 0
    wanted = expected(signal, request, RECEIVED_US, ENVIRONMENT)
    assert accepted.records == sum(map(len, wanted.values()))
    found = rows(tables(signal, accepted.payload)) if accepted.payload else {}
    assert without_json_bodies(found) == without_json_bodies(wanted)


@pytest.mark.parametrize("signal", Signal)
@examples(0.15)
@given(data=st.data(), names=st.booleans())
def test_json_and_protobuf_of_one_request_give_the_same_tables(
    signal: Signal, data: st.DataObject, *, names: bool
) -> None:
    """The encoding is the client's choice and leaves no trace."""
    request = data.draw(requests(signal))
    as_protobuf = read_request(signal, request.SerializeToString(), json=False)
    body = json.dumps(as_json(request, names=names)).encode()
    in_json = read_request(signal, body, json=True)
    assert (in_json.records, in_json.rejected) == (as_protobuf.records, 0)
    if as_protobuf.payload:
        found, wanted = tables(signal, in_json.payload), tables(signal, as_protobuf.payload)
        assert found.keys() == wanted.keys()
        assert rows(found) == rows(wanted)


@pytest.mark.parametrize("signal", Signal)
@examples(0.1)
@given(data=st.data())
def test_requests_together_give_what_each_gives(signal: Signal, data: st.DataObject) -> None:
    """Values that the records of one request share must not spread to the next request."""
    payloads = [
        read_request(signal, one.SerializeToString(), json=False).payload
        for one in data.draw(st.lists(requests(signal), max_size=5))
    ]
    apart: dict[str, list[dict[str, Any]]] = {}
    for payload in payloads:
        for name, found in rows(tables(signal, payload)).items():
            apart.setdefault(name, []).extend(found)
    assert rows(tables(signal, *payloads)) == apart
