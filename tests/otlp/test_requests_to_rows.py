"""Requests in OTLP/JSON beside the columns they must give, and what of them is refused.

The cases are in `requests/*.json`, one file per signal; only the columns a case names are
compared. `test_round_trip.py` shows that protobuf gives the same.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.requests import Signal, read_request, response
from otlp2parquet_ext.records.otlp.tables import otlp_tables

RECEIVED_US = 1_773_482_400_000_000  # 2026-03-14T10:00:00Z
ENVIRONMENT = Resource("orders", "shop", "i-1", '{"cloud.provider":"aws","faas.name":"orders"}')


class Case(NamedTuple):
    """A request, its expected rows by table, and the messages about refused records."""

    signal: Signal
    request: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]
    rejected: int
    why: str


CASES = {
    f"{path.stem}: {case['case']}": Case(
        Signal(path.stem),
        case["request"],
        case["tables"],
        case.get("rejected", 0),
        case.get("why", ""),
    )
    for path in sorted((Path(__file__).parent / "requests").glob("*.json"))
    for case in json.loads(path.read_text())
}


def as_expected(column: str, value: Any) -> Any:
    """Give a case's value as Arrow gives it."""
    if isinstance(value, list):
        return [as_expected(column, one) for one in value]
    return datetime.fromisoformat(value) if value and "Timestamp" in column else value


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_request_gives_the_columns_the_reference_says(case: Case) -> None:
    """One bad record never costs its neighbours, and each value has one place."""
    accepted = read_request(case.signal, json.dumps(case.request).encode(), json=True)
    assert (accepted.rejected, accepted.why) == (case.rejected, case.why)
    assert accepted.records == sum(map(len, case.tables.values()))
    payloads = [(accepted.payload, RECEIVED_US)]
    tables = otlp_tables(case.signal, payloads, ENVIRONMENT, Invocations())
    assert tables.keys() == case.tables.keys()
    for name, wanted in case.tables.items():
        for row, columns in zip(tables[name].to_pylist(), wanted, strict=True):
            for column, value in columns.items():
                assert row[column] == as_expected(column, value), column


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_answer_says_what_was_refused_and_nothing_else(case: Case) -> None:
    """A client must not read a partial success out of a whole one."""
    accepted = read_request(case.signal, json.dumps(case.request).encode(), json=True)
    told = json.loads(response(case.signal, accepted, json=True))
    if not case.rejected:
        assert told == {}
        return
    counts = {"logs": "rejectedLogRecords", "traces": "rejectedSpans"}
    count = counts.get(case.signal, "rejectedDataPoints")
    assert told == {"partialSuccess": {count: str(case.rejected), "errorMessage": case.why}}
