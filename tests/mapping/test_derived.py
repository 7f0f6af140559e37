"""Each possible course of an activity, as captured events, with its spans and points.

The cases are in `derived/*.json`, one file per kind. Of a row only the columns that a case names
are compared, but every row is counted.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from derivations import ALL, CONTEXT, Environment, Rows

from otlp2parquet_ext.records.mapping.derived import derive
from otlp2parquet_ext.records.mapping.faas_metrics import METRICS
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.open_activities import OpenActivities
from otlp2parquet_ext.records.tables.registry import arrow
from otlp2parquet_ext.records.telemetry.values import Delivery, Invoke


class Case(msgspec.Struct):
    """Events, other inputs, and the expected rows; None is not compared."""

    case: str
    events: list[Any]
    managed: bool = False
    invokes: list[Invoke] = []
    closing: tuple[str, int] | None = None
    spans: list[dict[str, Any]] | None = None
    points: list[dict[str, Any]] | None = None


CASES = {
    f"{path.stem}: {case.case}": case
    for path in sorted((Path(__file__).parent / "derived").glob("*.json"))
    for case in msgspec.json.decode(path.read_bytes(), type=list[Case])
}


def mapped(case: Case, *, signals: frozenset[str] = ALL, apart: bool = False) -> Rows:
    """Map a case's events in one batch, or each in one of its own."""
    environment = Environment(case.invokes, managed=case.managed, signals=signals)
    for batch in [[event] for event in case.events] if apart else [case.events]:
        environment.store(batch)
    if case.closing:
        environment.close(*case.closing)
    return environment.rows


def fits(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a row has the values wanted of it."""
    for column, value in wanted.items():
        found = row[column]
        if column == "Timestamp":
            same = found == datetime.fromisoformat(value)
        elif column in {"SpanAttributes", "Attributes"}:
            same = json.loads(found) == value
        elif isinstance(value, str) and value.startswith("*"):
            same = int(found, 16) > 0
        else:
            same = found == value
        if not same:
            return False
    return True


def assert_same(rows: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Compare rows with what is wanted, in any order."""
    rows = list(rows)
    for want in wanted:
        match = next((row for row in rows if fits(row, want)), None)
        assert match is not None, (want, rows)
        rows.remove(match)
    assert rows == []


def points(rows: Rows) -> list[dict[str, Any]]:
    """Give the points of all tables, each with its table and one `Value`."""
    found = []
    for name in ("metrics_sum", "metrics_histogram", "metrics_gauge"):
        for row in rows.get(name, []):
            value = row["Sum"] if name == "metrics_histogram" else row["Value"]
            found.append({**row, "table": name, "Value": value})
    return found


@pytest.mark.parametrize("apart", [False, True], ids=["one batch", "a batch each"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_events_give_the_spans_and_points_the_reference_says(*, case: Case, apart: bool) -> None:
    """The rules are tables in the reference; these are their rows, however events are batched."""
    rows = mapped(case, apart=apart)
    if case.spans is not None:
        assert_same(rows.get("traces", []), case.spans)
    if case.points is not None:
        assert_same(points(rows), case.points)


def test_every_metric_of_the_reference_is_in_some_case() -> None:
    """A metric without a case could be wrong unnoticed."""
    expected = {point["MetricName"] for case in CASES.values() for point in case.points or []}
    assert expected == set(METRICS)


def test_one_signal_does_not_need_the_other() -> None:
    """Wanting metrics only, or traces only, gives the same rows as wanting both."""
    for case in CASES.values():
        both = mapped(case)
        traces = mapped(case, signals=frozenset({"traces"}))
        metrics = mapped(case, signals=frozenset({"metrics"}))
        assert traces | metrics == both
        assert not traces.keys() & metrics.keys()


def test_signals_that_are_off_cost_nothing() -> None:
    """Not even a look at the bodies, or at what is known."""
    known = OpenActivities()
    unreadable: Any = None
    assert derive(unreadable, CONTEXT, Invocations(), known, {"logs"}) == ({}, known)


def test_tables_have_the_schemas_of_the_house_and_say_whose_they_are() -> None:
    """Spans and points carry the resource and scope that log rows carry."""
    environment = Environment()
    tables, _ = environment.mapped(CASES["invoke: a cold start"].events)
    assert set(tables) == {"traces", "metrics_sum", "metrics_histogram", "metrics_gauge"}
    for name, table in tables.items():
        assert table.schema.equals(arrow(name), check_metadata=True)
        row = table.to_pylist()[0]
        assert row["ServiceName"] == "orders"
        assert row["ServiceInstanceId"] == "i-1"
        assert row["ScopeName"] == "otlp2parquet_ext"
        assert json.loads(row["ResourceAttributes"])["faas.name"] == "orders"


def test_metrics_say_their_unit_their_temporality_and_what_they_measure() -> None:
    """Delta and monotonic, so that SQL `sum` is right; one observation a histogram."""
    rows = mapped(CASES["invoke: a cold start"])
    assert {row["AggregationTemporality"] for row in rows["metrics_sum"]} == {1}
    assert {row["IsMonotonic"] for row in rows["metrics_sum"]} == {True}
    (duration, memory) = rows["metrics_histogram"]
    assert duration["MetricUnit"] == "s"
    assert duration["ExplicitBounds"][0] == 0.005
    assert duration["BucketCounts"] == [0] * 6 + [1] + [0] * 8  # 0.1 < 0.23148 <= 0.25
    assert (duration["Count"], duration["Min"], duration["Max"]) == (1, 0.23148, 0.23148)
    assert duration["AggregationTemporality"] == 1
    assert (duration["Timestamp"] - duration["StartTimestamp"]).total_seconds() == 0.23148
    assert memory["MetricUnit"] == "By"
    assert memory["BucketCounts"] == [0] * 4 + [1] + [0] * 9  # 128 MiB < 141 MiB <= 256 MiB
    assert memory["Sum"] == 141 * 1_048_576


def test_a_value_on_a_bound_is_below_it() -> None:
    """Upper bounds are inclusive in OTLP."""
    done = {"requestId": "r", "status": "success", "metrics": {"durationMs": 5.0}}
    body = [{"time": "2026-03-14T09:26:53.742Z", "type": "platform.runtimeDone", "record": done}]
    environment = Environment()
    environment.store(body)
    (row,) = environment.rows["metrics_histogram"]
    assert row["BucketCounts"][0] == 1


def test_bodies_that_are_no_events_derive_nothing() -> None:
    """They are rows of the logs table, and nothing besides."""
    for body in (b"", b"no json", b"[3,{}]", b'[{"type":"platform.start","record":{"requestId":'):
        made = derive([Delivery(body, 1)], CONTEXT, Invocations(), OpenActivities(), ALL)
        assert made == ({}, OpenActivities())
