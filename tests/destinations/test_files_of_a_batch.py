"""The number of files of one batch is bounded, with any rows."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.few_days import ATTRIBUTE, of_few_days
from otlp2parquet_ext.lake.destinations.hive import MANY_SERVICES, Hive
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.destinations.partition import (
    DAY_US,
    HOUR_US,
    MOST_FILES,
    MOST_PERIODS,
    few_periods,
    split,
)
from otlp2parquet_ext.lake.destinations.refit import refit
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.schema_match import Matched
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import ObjectTooLongError
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.mapping.rows import constants
from otlp2parquet_ext.records.tables.columns import named
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_US = 1_700_000_000_000_000


def rows(count: int, **varying: Any) -> pa.Table:
    """Make log rows; `varying` gives a value of each column it names from the row's number."""
    same = {
        **constants(Resource("shop", None, "i", "{}"), "s", "1"),
        "Timestamp": START_US,
        "TimestampTime": START_US,
        "ObservedTimestamp": START_US,
        "TraceFlags": 0,
        "SeverityText": "",
        "SeverityNumber": 0,
        "LogAttributes": "{}",
    }
    columns = [
        pa.array(
            [
                varying[field.name](number) if field.name in varying else same.get(field.name)
                for number in range(count)
            ],
            field.type,
        )
        for field in LOGS
    ]
    return pa.table(columns, schema=LOGS)


def stored(folder: Path) -> list[dict[str, Any]]:
    """Read all rows back."""
    files = sorted(folder.rglob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_services_beyond_the_largest_share_a_folder(tmp_path: Path) -> None:
    """Each row is in its service's or in the shared folder, with its own `ServiceName`."""
    table = rows(600, ServiceName=lambda number: f"s{number % 300}" if number < 590 else "large")
    done = Hive(LocalStorage(tmp_path)).store(Batch("a" * 32, {"logs": table}))
    folders = {path.name for path in (tmp_path / "logs").iterdir()}
    assert done.files == len(folders) == 21
    assert {MANY_SERVICES, "large"} <= folders
    assert sorted(row["ServiceName"] for row in stored(tmp_path)) == sorted(
        table.column("ServiceName").to_pylist()
    )


def test_usual_services_have_folders_of_their_own(tmp_path: Path) -> None:
    """As many as there are, while the files are not too many."""
    table = rows(100, ServiceName=lambda number: f"s{number % 50}")
    assert Hive(LocalStorage(tmp_path)).store(Batch("a" * 32, {"logs": table})).files == 50
    assert not (tmp_path / "logs" / MANY_SERVICES).exists()


def no_table() -> Any:
    """Open no table: none is needed to store."""
    raise CommitError("no catalog is needed to store")


def test_rows_of_too_many_hours_go_to_the_hour_of_their_receipt(tmp_path: Path) -> None:
    """A forged time costs a place in the right folder: no row, and no file of its own."""
    table = rows(1_000, Timestamp=lambda number: START_US + (number % 400) * (number % 2) * HOUR_US)
    receipt_us = START_US + 7_000 * HOUR_US
    done = Hive(LocalStorage(tmp_path)).store(
        Batch("a" * 32, {"logs": table}, received_us=receipt_us)
    )
    assert done.files == MOST_PERIODS
    assert done.lost == ()
    kept = stored(tmp_path)
    assert sorted(row["Timestamp"] for row in kept) == sorted(table.column("Timestamp").to_pylist())
    hour = time.strftime("year=%Y/month=%m/day=%d/hour=%H", time.gmtime(receipt_us // 1_000_000))
    (file,) = (tmp_path / "logs/shop" / hour).iterdir()
    assert pq.ParquetFile(file).metadata.num_rows > 400


@pytest.mark.parametrize("unit", [timedelta(hours=1), timedelta(days=1), timedelta(days=100)])
def test_lines_about_many_times_are_a_file_an_hour_of_their_own(
    tmp_path: Path, unit: timedelta
) -> None:
    """Readings of devices, replays, redrives: 52 PUTs for 300 lines, and a SHUTDOWN lost some."""
    begin = datetime(2026, 3, 14, 9, 59, 55, tzinfo=UTC)
    lines = [
        {
            "time": (begin + timedelta(milliseconds=33 * number)).isoformat(),
            "type": "function",
            "record": {
                "message": f"stored {number}",
                "timestamp": (begin - number * unit).isoformat(),
            },
        }
        for number in range(300)
    ]
    delivery = Delivery(json.dumps(lines).encode(), START_US)
    table = log_table([delivery], EnvironmentContext(instance_id="i"), Invocations()).table
    done = Hive(LocalStorage(tmp_path)).store(Batch("a" * 32, {"logs": table}))
    assert done.files == 2
    assert len({row["Body"] for row in stored(tmp_path)}) == 300


def test_services_of_too_many_hours_become_a_bounded_number_of_files(tmp_path: Path) -> None:
    """Both at once: services share a folder, and hours the receipt's."""
    table = rows(
        3_000,
        Timestamp=lambda number: START_US + number % 60 * HOUR_US,
        ServiceName=lambda number: f"s{number // 60}",
    )
    done = Hive(LocalStorage(tmp_path)).store(Batch("a" * 32, {"logs": table}))
    assert done.files <= MOST_FILES
    assert len(stored(tmp_path)) == 3_000


def test_rows_of_too_many_days_get_the_time_of_their_receipt(tmp_path: Path) -> None:
    """A day is a file of an Iceberg table, and no other partition may have its rows."""
    table = rows(
        1_000,
        Timestamp=lambda number: START_US + number * DAY_US,
        LogAttributes=lambda number: "{}" if number % 2 else '{"a":1}',
    )
    receipt_us = START_US + 2_000 * DAY_US + 1
    done = Lake(LocalStorage(tmp_path), no_table).store(
        Batch("a" * 32, {"logs": table}, received_us=receipt_us)
    )
    assert done.files == MOST_PERIODS
    assert done.lost == ()
    kept = stored(tmp_path)
    assert len(kept) == 1_000
    told = []
    for row in kept:
        attributes = json.loads(row["LogAttributes"])
        own = attributes.pop(ATTRIBUTE, None)
        told.append(datetime.fromisoformat(own) if own else row["Timestamp"])
        assert row["TimestampTime"] == row["Timestamp"].replace(microsecond=0)
        assert attributes in ({}, {"a": 1})
        if own:
            assert row["Timestamp"] == EPOCH + timedelta(microseconds=receipt_us)
    assert sorted(told) == sorted(table.column("Timestamp").to_pylist())


def test_a_day_is_given_to_rows_whose_receipt_nobody_knows(tmp_path: Path) -> None:
    """That with the most rows."""
    table = rows(500, Timestamp=lambda number: START_US + max(number - 400, 0) * DAY_US)
    done = Lake(LocalStorage(tmp_path), no_table).store(Batch("a" * 32, {"logs": table}))
    assert done.files == MOST_PERIODS
    kept = stored(tmp_path)
    assert len(kept) == 500
    assert sum(row["Timestamp"] == EPOCH + timedelta(microseconds=START_US) for row in kept) > 490


@given(
    st.lists(st.integers(0, 400 * 365 * DAY_US), min_size=1, max_size=60),
    st.sampled_from([HOUR_US, DAY_US]),
    st.integers(0, 400 * 365 * DAY_US),
)
def test_periods_are_few_and_those_of_usual_batches_their_own(
    times: list[int], unit_us: int, received_us: int
) -> None:
    """This holds for any rows, and their order stays."""
    found = few_periods(times, unit_us, received_us)
    own = [time_us // unit_us for time_us in times]
    assert len(found) == len(times)
    assert len(set(found)) <= MOST_PERIODS
    if len(set(own)) <= MOST_PERIODS:
        assert found == own
    elif received_us:
        assert set(found) - {received_us // unit_us} <= set(own)
        moved = {place for place, mine in zip(found, own, strict=True) if place != mine}
        assert moved == {received_us // unit_us}


@pytest.mark.parametrize("name", [name for name in TABLES if name != "logs"])
def test_the_attributes_of_every_table_keep_the_time_a_row_had(name: str) -> None:
    """Spans and points have columns of other names for them."""
    column = "SpanAttributes" if name == "traces" else "Attributes"
    times = [START_US + number * DAY_US for number in range(20)]
    table = pa.table(
        {
            "Timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
            column: pa.chunked_array([["{}"] * 10, ['{"b":2}'] * 10]),
        }
    )
    made = of_few_days(table, name, START_US)
    assert made.schema.equals(table.schema)
    told = [json.loads(text).get(ATTRIBUTE) for text in made.column(column).to_pylist()]
    assert told.count(None) == MOST_PERIODS
    assert json.loads(made.column(column)[19].as_py()).get("b") == 2


@pytest.mark.parametrize("keys", [2, 100])
def test_rows_that_take_turns_are_split_in_their_order(keys: int) -> None:
    """Each run of one row was a slice of each column: 100 MB for 32 000 rows."""
    table = rows(5_000, Body=lambda number: f"{number}")
    parts = dict(split(table, [number % keys for number in range(5_000)]))
    assert parts.keys() == set(range(keys))
    for key, part in parts.items():
        assert part.column("Body").to_pylist() == [f"{n}" for n in range(key, 5_000, keys)]
        assert part.column("Body").num_chunks <= 5_000 // 1_024 + 1


def test_a_file_written_anew_holds_a_long_value_that_rows_share_once(tmp_path: Path) -> None:
    """Read whole, 500 rows of 200 KB were 100 MB in the middle of a commit."""
    names = ["short", "x" * 200_000, "y" * 100_000]
    table = rows(500, ServiceName=lambda number: names[number % 250 // 100])
    storage = LocalStorage(tmp_path)
    columns = TABLES["logs"]
    data, footer = encode(table, columns)
    storage.put("data/a.parquet", data)
    file = DataFile(
        name="a",
        path=storage.url("data/a.parquet"),
        day=0,
        rows=footer.num_rows,
        size_bytes=data.size,
        stored_ms=0,
        statistics=statistics(footer, columns),
        fields="",
    )
    renamed = Matched(named(columns, lower_case=True), tag="lower")
    with pytest.raises(ObjectTooLongError):  # it was written over: no more is read of it
        refit(storage, msgspec.structs.replace(file, size_bytes=data.size - 1), renamed)
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    anew = refit(storage, file, renamed)
    assert pool.max_memory() - before < 20_000_000
    assert storage.path(anew.path) != "data/a.parquet"
    assert pq.ParquetFile(tmp_path / storage.path(anew.path)).read().column(
        "servicename"
    ).to_pylist() == (table.column("ServiceName").to_pylist())
