"""How many files one batch becomes is bounded, whatever its rows say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.hive import MANY_SERVICES, Hive
from otlp2parquet_ext.lake.destinations.lake import Lake
from otlp2parquet_ext.lake.destinations.parquet_file import encode
from otlp2parquet_ext.lake.destinations.partition import DAY_US, HOUR_US, MOST_FILES, split
from otlp2parquet_ext.lake.destinations.refit import refit
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.schema_match import Matched
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import ObjectTooLongError
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.mapping.rows import constants
from otlp2parquet_ext.records.tables.columns import named
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from pathlib import Path

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
    """Each row is where its service or the shared folder is, with its own `ServiceName`."""
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


def test_rows_of_too_many_hours_are_counted_as_lost(tmp_path: Path) -> None:
    """An hour is a folder; those with the most rows are kept."""
    table = rows(1_000, Timestamp=lambda number: START_US + (number % 400) * (number % 2) * HOUR_US)
    done = Hive(LocalStorage(tmp_path)).store(Batch("a" * 32, {"logs": table}))
    kept = stored(tmp_path)
    assert done.files == MOST_FILES
    assert len(kept) + sum(lost.records for lost in done.lost) == 1_000
    assert sum(row["TimestampTime"] == row["Timestamp"] for row in kept) >= 500


def test_rows_of_too_many_days_are_counted_as_lost(tmp_path: Path) -> None:
    """A day is a file of an Iceberg table, and no other partition may have its rows."""

    def no_table() -> Any:
        raise CommitError("no catalog is needed to store")

    table = rows(1_000, Timestamp=lambda number: START_US + number * DAY_US)
    done = Lake(LocalStorage(tmp_path), no_table).store(Batch("a" * 32, {"logs": table}))
    assert done.files == MOST_FILES
    assert len(stored(tmp_path)) == MOST_FILES
    assert [lost.records for lost in done.lost] == [1_000 - MOST_FILES]


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
