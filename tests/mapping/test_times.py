"""Times as Unix microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.records.mapping.times import Clock, has_fraction, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BASE_US = 1_773_480_413_000_000  # 2026-03-14T09:26:53Z


@pytest.mark.parametrize(
    ("text", "after_base_us"),
    [
        ("2026-03-14T09:26:53.589Z", 589_000),
        ("2026-03-14T09:26:53Z", 0),
        ("2026-03-14t09:26:53.5z", 500_000),
        ("2026-03-14T09:26:53.123456Z", 123_456),
        ("2026-03-14T09:26:53.123456789Z", 123_456),
        ("2026-03-14T10:26:53.1+01:00", 100_000),
        ("2026-03-14T03:56:53-05:30", 0),
        ("2026-03-14 09:26:53,670+0000", 670_000),
        ("2026-03-14T09:26:53:521Z", 521_000),
        ("2026-03-14T09:26:60Z", 7_000_000),
    ],
)
def test_times_with_an_offset_are_read_tolerantly(text: str, after_base_us: int) -> None:
    """Platform, loggers and the documentation's misprints."""
    assert parse_time(text) == Clock().read(text) == BASE_US + after_base_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-14",
        "2026-03-14T09:26:53",
        "2026-03-14T09:26Z",
        "2026-02-30T09:26:53Z",
        "2026-03-14T24:26:53Z",
        "2026-03-14T09:60:53Z",
        "2026-03-14T09:26:61Z",
        "2026-03-14T09:26:53.Z",
        "2026-03-14T09:26:53.58xZ",
        "2026-03-14T09:26:53.+12Z",
        "2026-03-14T09:26:53.1_2Z",
        "\u0662026-03-14T09:26:53.589Z",
        "2026-03-14T09:26:53.\u066589Z",
        "1969-12-31T23:59:59.999Z",
        "2262-01-01T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z",
        "1773480413",
        "x" * 24,
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    """An unknown zone, an impossible date, a year OTLP cannot hold: never 1970."""
    clock = Clock()
    assert clock.read("2026-03-14T09:26:53.589Z") is not None
    assert parse_time(text) is None
    assert clock.read(text) is None


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2261, 12, 31)),  # noqa: DTZ001 -- made UTC below
    st.integers(-14 * 60, 14 * 60),
)
def test_any_time_is_exact_to_the_microsecond(moment: datetime, minutes: int) -> None:
    """Integers throughout: a float cannot hold 2026 to the microsecond."""
    utc = moment.replace(tzinfo=UTC)
    wanted = (utc - EPOCH) // timedelta(microseconds=1)
    offset = timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    assert parse_time(utc.isoformat().removesuffix("+00:00") + "Z") == wanted
    if datetime(1971, 1, 1, tzinfo=UTC) < utc < datetime(2261, 1, 1, tzinfo=UTC):
        local = (utc + offset).replace(tzinfo=None)
        assert parse_time(local.isoformat() + zone) == wanted


@given(st.lists(st.integers(0, 9_000_000), min_size=1))
def test_the_clock_agrees_with_the_parser(moments: list[int]) -> None:
    """Remembering a second must never show."""
    clock = Clock()
    for millis in moments:
        moment = EPOCH + timedelta(microseconds=BASE_US, milliseconds=millis)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert clock.read(text) == parse_time(text) == BASE_US + millis * 1000


def test_a_fraction_counts_even_when_it_is_zero() -> None:
    """It shows the precision of the source."""
    assert has_fraction("2026-03-14T09:26:53.000Z")
    assert has_fraction("2026-03-14 09:26:53,670+0000")
    assert not has_fraction("2026-03-14T09:26:53Z")
    assert not has_fraction("2026-03-14T09:26:53+01:00")
