"""The time of a row if a record has times: its own, or that of another thing in the record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from either_way import by_the_long_way, mapped
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.times import NEAR_US
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

EVENT = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)
KEYS = ["timestamp", "time", "ts"]


def spelled(moment: datetime) -> str:
    """Write a time as loggers do."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(record: dict[str, Any], *, line: bool = False) -> bytes:
    """Make a delivery of one record, an object or a line of text."""
    text = json.dumps(record, separators=(",", ":"))
    event = {"time": spelled(EVENT), "type": "function", "record": text if line else record}
    return json.dumps([event], separators=(",", ":")).encode()


def rows_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Map a record as an object and as a line, by the short way and by the long one."""
    bodies = [body_of(record), body_of(record, line=True)]
    return [
        row
        for way in (mapped, by_the_long_way)
        for body in bodies
        for row in way([body]).table.to_pylist()
    ]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "apart",
    [
        timedelta(microseconds=NEAR_US + 1_000),
        timedelta(hours=1),
        timedelta(hours=-1),
        timedelta(days=-133),
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - EVENT,
        datetime(2099, 12, 31, tzinfo=UTC) - EVENT,
    ],
)
def test_a_time_far_from_the_event_is_not_the_time_of_the_row(key: str, apart: timedelta) -> None:
    """A device's reading, a replayed order, an event of EventBridge: printed now, not then."""
    told = spelled(EVENT + apart)
    for row in rows_of({"message": "stored", key: told}):
        assert row["Timestamp"] == EVENT
        assert row["TimestampTime"] == EVENT.replace(microsecond=0)
        assert json.loads(row["LogAttributes"])[key] == told


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("seconds", [-300, -299.999, -61, -1, -0.001, 0.001, 2, 300])
def test_a_time_near_the_event_is_the_time_of_the_row(key: str, seconds: float) -> None:
    """Loggers that buffer write it later than they took it."""
    own = EVENT + timedelta(seconds=seconds)
    for row in rows_of({"message": "m", key: spelled(own)}):
        assert row["Timestamp"] == own
        assert key not in json.loads(row["LogAttributes"])


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(2261, 12, 31)),  # noqa: DTZ001
    whole=st.booleans(),
)
def test_no_time_a_record_names_moves_its_row_beyond_the_bound(
    *, moment: datetime, whole: bool
) -> None:
    """And none is lost: it is the row's, or an attribute."""
    told = spelled(moment.replace(tzinfo=UTC))
    told = told[:19] + "Z" if whole else told
    for row in rows_of({"message": "m", "time": told}):
        assert abs(row["Timestamp"] - EVENT) <= timedelta(microseconds=NEAR_US)
        kept = json.loads(row["LogAttributes"]).get("time")
        assert kept == told or row["Timestamp"] == datetime.fromisoformat(told)


@pytest.mark.parametrize(("near_us", "own"), [(0, False), (999_999, False), (1_000_000, True)])
def test_the_bound_is_a_setting(*, near_us: int, own: bool) -> None:
    """0 takes the platform's time always."""
    told = EVENT - timedelta(seconds=1)
    delivery = Delivery(body_of({"message": "m", "time": spelled(told)}), 0)
    context = EnvironmentContext(instance_id="i")
    table = log_table([delivery], context, Invocations(), near_us=near_us).table
    assert table.to_pylist()[0]["Timestamp"] == (told if own else EVENT)
