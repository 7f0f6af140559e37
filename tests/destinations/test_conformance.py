"""One suite for every destination: durable, repeatable, bounded, read back by another engine.

The places are real: folders, and servers that the tests start (see `places.py`).
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import every_table
import places
import pyarrow as pa
import pytest
from places import Place, plain_folder, process_environ, soon, sqlite
from tiers import tiered

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.lake.destinations.address import EXPECTED
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVED_US = 1_790_000_000_000_000


def _dynamodb(folder: Path, servers: pytest.FixtureRequest) -> Place:
    """Its SDK reads the variables of the process, and takes an endpoint from nowhere else."""
    environ = {**places.AWS, "AWS_ENDPOINT_URL_DYNAMODB": servers.getfixturevalue("moto")}
    patch = servers.getfixturevalue("monkeypatch")
    for name, value in environ.items():
        patch.setenv(name, value)
    kind = {"PYICEBERG_CATALOG__LAKE__TYPE": "dynamodb"}
    region = {"PYICEBERG_CATALOG__LAKE__DYNAMODB__REGION": environ["AWS_REGION"]}
    return places.catalog("DynamoDB", str(folder), {**environ, **kind, **region})


def _rest(servers: pytest.FixtureRequest) -> Place:
    url, warehouse = servers.getfixturevalue("iceberg_rest")
    return places.rest(url, Path(warehouse))


PLAIN: dict[str, Callable[[Path, pytest.FixtureRequest], Place]] = {
    "file": lambda folder, _: plain_folder(folder),
    "s3": lambda _, servers: places.plain_s3(servers.getfixturevalue("moto")),
    "s3 on SeaweedFS": lambda _, servers: places.s3_on(servers.getfixturevalue("seaweed")),
}
LAKES: dict[str, Callable[[Path, pytest.FixtureRequest], Place]] = {
    "sqlite": lambda folder, _: sqlite(folder),
    "glue": lambda _, servers: places.glue(servers.getfixturevalue("moto")),
    "rest": lambda _, servers: _rest(servers),
    "rest on S3": lambda _, servers: places.rest_on_s3(
        servers.getfixturevalue("iceberg_rest_on_s3")
    ),
    "S3 Tables": lambda _, servers: places.s3_tables(servers.getfixturevalue("s3_tables")),
    "table bucket over REST": lambda _, servers: places.s3_tables(
        servers.getfixturevalue("seaweed")
    ),
    "PostgreSQL": lambda folder, servers: places.catalog(
        "PostgreSQL",
        str(folder),
        {
            "PYICEBERG_CATALOG__LAKE__TYPE": "sql",
            "PYICEBERG_CATALOG__LAKE__URI": "postgresql+psycopg2://"
            + servers.getfixturevalue("postgresql"),
        },
    ),
    "DynamoDB": _dynamodb,
}


@pytest.fixture(params=tiered([*PLAIN, *LAKES]))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every test runs against every destination."""
    return (PLAIN | LAKES)[request.param](tmp_path, request)


@pytest.fixture(params=tiered(LAKES))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A destination with a catalog, and its committer."""
    return LAKES[request.param](tmp_path, request)


def rows(*events: tuple[str, str], service: str = "orders") -> pa.Table:
    """Make log rows from (time, body)."""
    body = json.dumps([{"time": t, "type": "function", "record": b} for t, b in events])
    context = EnvironmentContext(instance_id="i", function_name=service)
    return log_table([Delivery(body.encode(), RECEIVED_US)], context, Invocations()).table


NOON = rows(("2026-03-14T12:00:00.001Z", "one"), ("2026-03-14T12:00:00.002Z", "two"))
MIDNIGHT = rows(
    ("2026-03-14T23:59:59.999Z", "before"),
    ("2026-03-15T00:00:00.000Z", "after"),
    ("2026-03-14T23:59:59.998Z", "before, but later in the batch"),
)


def test_what_is_stored_and_committed_is_what_duckdb_reads(place: Place) -> None:
    """Every column of every row, by an engine that did not write it."""
    destination = place.open()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    destination.commit(soon())
    names = ", ".join(
        f"epoch_us({n}) AS {n}" if pa.types.is_timestamp(t) else n
        for n, t in zip(NOON.schema.names, NOON.schema.types, strict=True)
    )
    sql = f"SELECT {names} FROM logs ORDER BY Timestamp"  # noqa: S608 - our own column names
    read = place.rows(sql)
    columns = [
        c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in NOON.itercolumns()
    ]
    assert read == list(zip(*(c.to_pylist() for c in columns), strict=True))


def test_a_batch_of_all_tables_is_what_duckdb_reads(place: Place) -> None:
    """Lists of any length, null elements and null columns; twice stored, and there once."""
    destination = place.open()
    for _ in range(2):
        stored = destination.store(Batch("a" * 32, every_table.all_rows()))
        destination.commit(soon())
    assert stored.files == 0
    connection = query.connect(place.url, environ=place.variables)
    for name, columns in TABLES.items():
        sql = f"SELECT {every_table.selected(columns)} FROM {name} ORDER BY 1"  # noqa: S608
        assert connection.execute(sql).fetchall() == every_table.expected(name), name


def test_all_tables_have_the_ids_and_nullability_of_ours(lake: Place) -> None:
    """This includes elements of lists. The test reads the metadata as JSON only."""
    destination = lake.open()
    destination.store(Batch("a" * 32, every_table.all_rows()), commit_follows=True)
    assert destination.commit(soon()) == len(TABLES)
    lower = lake.kind in ("glue", "s3tables")
    for name in TABLES:
        metadata = lake.table(name).metadata()
        (schema,) = metadata["schemas"]
        found = [(f["id"], f["name"], f["required"], f["type"]) for f in schema["fields"]]
        assert found == every_table.fields(name, lower_case=lower), name
        (spec,) = metadata["partition-specs"]
        assert [(f["transform"], f["source-id"]) for f in spec["fields"]] == [("day", 1)]


def test_a_batch_stored_and_committed_twice_is_there_once(place: Place) -> None:
    """A crash between storing and discarding, or a commit whose answer was lost."""
    for _ in range(2):
        destination = place.open()
        for _ in range(2):
            destination.store(Batch("a" * 32, {"logs": NOON}))
            destination.commit(soon())
    assert place.bodies() == ["one", "two"]


def test_a_file_that_was_there_is_described_as_it_is(lake: Place) -> None:
    """A second attempt may know more of an invocation and write other bytes. The first file stays.

    If the process is killed between file and descriptor, the descriptor must have the size of the
    existing file, or no engine can read it.
    """
    lake.open().store(Batch("a" * 32, {"logs": NOON}))
    lake.waiting.remove(*lake.inbox())
    destination = lake.open()
    destination.store(Batch("a" * 32, {"logs": rows(("2026-03-14T12:00:00.001Z", "one" * 1_000))}))
    destination.commit(soon())
    assert lake.bodies() == ["one", "two"]


def test_batches_add_up(place: Place) -> None:
    """Appending never replaces."""
    destination = place.open()
    for number in range(3):
        batch = rows((f"2026-03-14T12:00:0{number}.000Z", f"body {number}"))
        destination.store(Batch(f"{number:032}", {"logs": batch}))
        destination.commit(soon())
    assert place.bodies() == ["body 0", "body 1", "body 2"]


def test_a_batch_across_midnight_is_split_and_complete(place: Place) -> None:
    """Rows go to the day and hour of their own time, in any order."""
    destination = place.open()
    assert destination.store(Batch("b" * 32, {"logs": MIDNIGHT})).files == 2
    destination.commit(soon())
    assert place.bodies() == ["after", "before", "before, but later in the batch"]
    folders = {name.split("/")[-2] for name in place.objects.names() if name.endswith(".parquet")}
    days = {"Timestamp_day=2026-03-14", "Timestamp_day=2026-03-15"}
    assert folders == (days if place.has_catalog else {"hour=23", "hour=00"})


def test_an_empty_batch_writes_nothing(place: Place) -> None:
    """A recovered segment may contain only damage."""
    destination = place.open()
    assert destination.store(Batch("c" * 32, {"logs": NOON.slice(0, 0)})).files == 0
    destination.commit(soon())
    assert [name for name in place.objects.names() if name.endswith(".parquet")] == []


@pytest.mark.parametrize("make", [plain_folder, sqlite])
def test_a_folder_that_cannot_be_written_is_an_error_and_works_when_it_is_back(
    tmp_path: Path, make: Callable[[Path], Place]
) -> None:
    """The batch is kept by the caller; the error names the file and the cause."""
    place = make(tmp_path)
    (tmp_path / "lake").write_text("a file where the folder should be")
    destination = place.open()
    with pytest.raises(DestinationError, match=r"lake.* cannot be written: Not a directory"):
        destination.store(Batch("a" * 32, {"logs": NOON}))
    (tmp_path / "lake").unlink()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    destination.commit(soon())
    assert place.bodies() == ["one", "two"]


def test_what_another_process_stored_and_could_not_commit_is_committed(lake: Place) -> None:
    """Killed between file and snapshot: the rows are in the inbox, the next commit sees them."""
    lake.open().store(Batch("a" * 32, {"logs": NOON}))
    other = lake.open()
    other.store(Batch("b" * 32, {"logs": MIDNIGHT}))
    assert other.commit(soon()) == 3
    assert len(lake.bodies()) == 5
    assert lake.inbox() == []


def test_an_inbox_entry_whose_commit_landed_is_not_committed_again(lake: Place) -> None:
    """Killed between snapshot and clean-up."""
    destination = lake.open()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    (entry,) = lake.inbox()
    descriptor = lake.waiting.read(entry)
    destination.commit(soon())
    lake.waiting.write(entry, descriptor)
    lake.open().commit(soon())
    assert lake.bodies() == ["one", "two"]
    assert lake.inbox() == []


def test_a_foreign_file_in_the_inbox_is_left_alone(lake: Place) -> None:
    """It may be a user's note, or a descriptor of a future version, so it is not deleted."""
    destination = lake.open()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    lake.waiting.write("inbox/note.txt", b"hello")
    lake.waiting.write("inbox/broken.json", b'{"name":')
    assert destination.commit(soon()) == 1
    assert lake.inbox() == ["inbox/broken.json", "inbox/note.txt"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no more"])
def test_a_file_nobody_can_read_keeps_no_other_from_becoming_visible(
    lake: Place, content: bytes | None
) -> None:
    """Deleted or cut off behind our back: every commit would fail on it for ever."""
    destination = lake.open()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    (bad,) = (name for name in lake.objects.names() if name.endswith(".parquet"))
    lake.objects.remove(bad)
    if content is not None:
        lake.objects.write(bad, content)
    destination.store(Batch("b" * 32, {"logs": MIDNIGHT}))
    assert lake.open().commit(soon()) == 2
    assert len(lake.bodies()) == 3
    (aside,) = lake.inbox()
    assert aside.startswith("inbox/missing/" if content is None else "inbox/rejected/")
    assert aside.endswith(f"-{'a' * 32}-2026-03-14.json")


def test_many_writers_of_one_table_lose_and_double_nothing(lake: Place) -> None:
    """A late compare-and-swap reads again, and every commit takes the whole inbox."""
    if lake.kind == "DynamoDB":
        pytest.skip("moto's DynamoDB checks a condition and writes in two steps")
    lake.open().commit(soon())
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number)], env=process_environ(lake), cwd=Path.cwd()
        )
        for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lake.open().commit(soon())
    assert lake.bodies() == sorted(f"{w}-{n}" for w in range(3) for n in range(4))
    assert lake.inbox() == []


WRITER = f"""
import os, sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from test_conformance import Batch, choose, load, rows, soon
from otlp2parquet_ext.lake.destinations.destination import BusyError

destination = choose(load(os.environ)[0], os.environ)
for n in range(4):
    body = f"{{sys.argv[1]}}-{{n}}"
    batch = rows((f"2026-03-14T12:00:0{{n}}.000Z", body))
    name = body.replace("-", "x").rjust(32, "0")
    destination.store(Batch(name, {{"logs": batch}}), commit_follows=True)
    try:
        destination.commit(soon())
    except BusyError:
        destination.describe()
"""


def test_a_malformed_url_is_an_error_that_says_what_is_valid() -> None:
    """One clear line: the variable, scheme and host, what is wrong, what to type instead."""
    settings = load({"OTLP2PARQUET_DESTINATION": "ftp://host/x"})[0]
    with pytest.raises(DestinationError) as caught:
        choose(settings, {})
    assert str(caught.value) == (
        "OTLP2PARQUET_DESTINATION='ftp://host': there is no scheme 'ftp'; expected " + EXPECTED
    )


@pytest.mark.parametrize(
    ("service", "folder"),
    [
        ("a/b:c d", "a%2Fb%3Ac%20d"),
        ("", "unknown-service"),
        ("..", "%2E%2E"),
        ("æ", "æ"),
        ("a\0b\n", "a%00b%0A"),
    ],
)
def test_a_service_name_never_leaves_its_folder(tmp_path: Path, service: str, folder: str) -> None:
    """Everybody who may set variables may choose the name."""
    table = NOON.set_column(3, NOON.schema.field(3), pa.array([service] * 2))
    plain_folder(tmp_path).open().store(Batch("a" * 32, {"logs": table}))
    assert [p.name for p in (tmp_path / "lake/logs").iterdir()] == [folder]


def test_the_table_is_partitioned_by_day_and_carries_the_field_ids(lake: Place) -> None:
    """Readers prune by day, and resolve columns by id: files and table must agree."""
    destination = lake.open()
    destination.store(Batch("a" * 32, {"logs": NOON}))
    destination.commit(soon())
    newest = max(name for name in lake.objects.names() if name.endswith(".metadata.json"))
    metadata = json.loads(lake.objects.read(newest))
    fields = metadata["schemas"][0]["fields"]
    case = str.lower if lake.kind in ("glue", "s3tables") else str
    assert [(f["id"], f["name"], f["required"]) for f in fields] == [
        (number, case(field.name), not field.nullable)
        for number, field in enumerate(NOON.schema, 1)
    ]
    spec = metadata["partition-specs"][0]["fields"]
    assert [(f["name"], f["transform"], f["source-id"]) for f in spec] == [
        (case("Timestamp_day"), "day", 1)
    ]


def test_the_settings_of_a_table_are_heeded(lake: Place) -> None:
    """How its columns are written, and how many snapshots stay."""
    wanted = {"OTLP2PARQUET_COLUMN_CASE": "lower", "OTLP2PARQUET_SNAPSHOTS_KEPT": "2"}
    destination = dataclasses.replace(lake, environ={**lake.environ, **wanted}).open()
    for number in range(4):
        destination.store(Batch(f"{number:032}", {"logs": NOON}), commit_follows=True)
        destination.commit(soon())
    newest = max(name for name in lake.objects.names() if name.endswith(".metadata.json"))
    metadata = json.loads(lake.objects.read(newest))
    assert len(metadata["snapshots"]) == 2
    assert all(f["name"].islower() for f in metadata["schemas"][0]["fields"])
    assert lake.rows("SELECT count(*) FROM logs") == [(8,)]
