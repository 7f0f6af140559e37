"""One suite for every destination: durable, repeatable, bounded, read back by another engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from otlp2parquet_ext import query
from otlp2parquet_ext.destinations import Batch, Destination, DestinationError
from otlp2parquet_ext.destinations.choose import choose
from otlp2parquet_ext.destinations.lake import Lake
from otlp2parquet_ext.iceberg.pyiceberg_catalog import sqlite_table
from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.logs import log_table
from otlp2parquet_ext.settings import load
from otlp2parquet_ext.storage.local import LocalStorage
from otlp2parquet_ext.telemetry.values import Context, Delivery

KINDS = ("file", "sqlite", "pyiceberg")
"""`sqlite` is committed to by our own append, `pyiceberg` is the same table by PyIceberg's."""

RECEIVED_US = 1_790_000_000_000_000


@dataclass(frozen=True)
class Place:
    """One destination in an empty folder."""

    kind: str
    folder: Path

    @property
    def url(self) -> str:
        """Its URL."""
        if self.kind == "file":
            return f"file://{self.folder}/lake"
        return f"sqlite://{self.folder}/catalog.db?warehouse={self.folder}/lake"

    def open(self) -> Destination:
        """Open it anew, as another process would."""
        if self.kind == "pyiceberg":
            folder = self.folder
            return Lake(
                LocalStorage(folder / "lake" / "otel" / "logs"),
                lambda: sqlite_table(folder / "catalog.db", folder / "lake", "otel", "logs"),
            )
        return choose(load({"OTLP2PARQUET_DESTINATION": self.url})[0])

    def bodies(self) -> list[str]:
        """Read every row's body back with DuckDB, in order."""
        rows = query.connect(self.url).execute("SELECT Body FROM logs ORDER BY Body").fetchall()
        return [row[0] for row in rows]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every test runs against every destination."""
    return Place(str(request.param), tmp_path)


@pytest.fixture(params=KINDS[1:])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """What has a catalog, whoever commits to it."""
    return Place(str(request.param), tmp_path)


def rows(*events: tuple[str, str], service: str = "orders") -> pa.Table:
    """Make log rows from (time, body)."""
    body = json.dumps([{"time": t, "type": "function", "record": b} for t, b in events])
    context = Context(instance_id="i", function_name=service)
    return log_table([Delivery(body.encode(), RECEIVED_US)], context, Invocations()).table


NOON = rows(("2026-03-14T12:00:00.001Z", "one"), ("2026-03-14T12:00:00.002Z", "two"))
MIDNIGHT = rows(
    ("2026-03-14T23:59:59.999Z", "before"),
    ("2026-03-15T00:00:00.000Z", "after"),
    ("2026-03-14T23:59:59.998Z", "before, but later in the batch"),
)


def soon() -> int:
    """Give a deadline nothing here needs."""
    return time.time_ns() // 1_000_000 + 20_000


def test_what_is_stored_and_committed_is_what_duckdb_reads(place: Place) -> None:
    """Every column of every row, by an engine that did not write it."""
    destination = place.open()
    destination.store(Batch("a" * 32, NOON))
    destination.commit(soon())
    names = ", ".join(
        f"epoch_us({n}) AS {n}" if pa.types.is_timestamp(t) else n
        for n, t in zip(NOON.schema.names, NOON.schema.types, strict=True)
    )
    sql = f"SELECT {names} FROM logs ORDER BY Timestamp"  # noqa: S608 - our own column names
    read = query.connect(place.url).execute(sql).fetchall()
    columns = [
        c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in NOON.itercolumns()
    ]
    assert read == list(zip(*(c.to_pylist() for c in columns), strict=True))


def test_a_batch_stored_and_committed_twice_is_there_once(place: Place) -> None:
    """A crash between storing and discarding, or a commit whose answer was lost."""
    for _ in range(2):
        destination = place.open()
        for _ in range(2):
            destination.store(Batch("a" * 32, NOON))
            destination.commit(soon())
    assert place.bodies() == ["one", "two"]


def test_a_file_that_was_there_is_described_as_it_is(lake: Place) -> None:
    """A second attempt may know more of an invocation and write other bytes; the first file stays.

    Killed between file and descriptor: the descriptor must give the size of the file that lies
    there, or no engine can read it.
    """
    lake.open().store(Batch("a" * 32, NOON))
    next((lake.folder / "lake/otel/logs/inbox").iterdir()).unlink()
    destination = lake.open()
    destination.store(Batch("a" * 32, rows(("2026-03-14T12:00:00.001Z", "one" * 1_000))))
    destination.commit(soon())
    assert lake.bodies() == ["one", "two"]


def test_batches_add_up(place: Place) -> None:
    """Appending never replaces."""
    destination = place.open()
    for number in range(3):
        batch = rows((f"2026-03-14T12:00:0{number}.000Z", f"body {number}"))
        destination.store(Batch(f"{number:032}", batch))
        destination.commit(soon())
    assert place.bodies() == ["body 0", "body 1", "body 2"]


def test_a_batch_across_midnight_is_split_and_complete(place: Place) -> None:
    """Rows go to the day and hour of their own time, in whatever order they came."""
    destination = place.open()
    assert destination.store(Batch("b" * 32, MIDNIGHT)).files == 2
    destination.commit(soon())
    assert place.bodies() == ["after", "before", "before, but later in the batch"]
    folders = {str(p.parent.name) for p in place.folder.rglob("*.parquet")}
    days = {"Timestamp_day=2026-03-14", "Timestamp_day=2026-03-15"}
    assert folders == ({"hour=23", "hour=00"} if place.kind == "file" else days)


def test_an_empty_batch_writes_nothing(place: Place) -> None:
    """A recovered segment may hold nothing but damage."""
    destination = place.open()
    assert destination.store(Batch("c" * 32, NOON.slice(0, 0))).files == 0
    destination.commit(soon())
    assert list(place.folder.rglob("*.parquet")) == []


def test_a_place_that_cannot_be_written_is_an_error_and_works_when_it_is_back(
    place: Place,
) -> None:
    """The batch is kept by the caller; the error names the file and the cause."""
    (place.folder / "lake").write_text("a file where the folder should be")
    destination = place.open()
    with pytest.raises(DestinationError, match=r"lake.* cannot be written: Not a directory"):
        destination.store(Batch("a" * 32, NOON))
    (place.folder / "lake").unlink()
    destination.store(Batch("a" * 32, NOON))
    destination.commit(soon())
    assert place.bodies() == ["one", "two"]


def test_what_another_process_stored_and_could_not_commit_is_committed(lake: Place) -> None:
    """Killed between file and snapshot: the rows are in the inbox, the next commit sees them."""
    lake.open().store(Batch("a" * 32, NOON))
    other = lake.open()
    other.store(Batch("b" * 32, MIDNIGHT))
    assert other.commit(soon()) == 3
    assert len(lake.bodies()) == 5
    assert list((lake.folder / "lake/otel/logs/inbox").iterdir()) == []


def test_an_inbox_entry_whose_commit_landed_is_not_committed_again(lake: Place) -> None:
    """Killed between snapshot and clean-up."""
    destination = lake.open()
    destination.store(Batch("a" * 32, NOON))
    inbox = lake.folder / "lake/otel/logs/inbox"
    shutil.copytree(inbox, lake.folder / "copy")
    destination.commit(soon())
    shutil.copytree(lake.folder / "copy", inbox, dirs_exist_ok=True)
    lake.open().commit(soon())
    assert lake.bodies() == ["one", "two"]
    assert list(inbox.iterdir()) == []


def test_a_foreign_file_in_the_inbox_is_left_alone(lake: Place) -> None:
    """Somebody's note, or half a descriptor of a future version: not ours to delete."""
    destination = lake.open()
    destination.store(Batch("a" * 32, NOON))
    inbox = lake.folder / "lake/otel/logs/inbox"
    (inbox / "note.txt").write_text("hello")
    (inbox / "broken.json").write_text('{"name":')
    assert destination.commit(soon()) == 1
    assert {p.name for p in inbox.iterdir()} == {"note.txt", "broken.json"}


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no more"])
def test_a_file_nobody_can_read_keeps_no_other_from_becoming_visible(
    lake: Place, content: bytes | None
) -> None:
    """Deleted or cut off behind our back: every commit would fail on it for ever."""
    destination = lake.open()
    destination.store(Batch("a" * 32, NOON))
    bad = next(lake.folder.rglob("a*.parquet"))
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    destination.store(Batch("b" * 32, MIDNIGHT))
    assert lake.open().commit(soon()) == 2
    assert len(lake.bodies()) == 3
    inbox = lake.folder / "lake/otel/logs/inbox"
    (aside,) = inbox.rglob("*.json")
    assert aside.name.endswith(f"-{'a' * 32}-2026-03-14.json")
    assert [p.name for p in inbox.iterdir()] == ["missing"]


def test_many_writers_of_one_table_lose_and_double_nothing(lake: Place) -> None:
    """Compare-and-swap: who is too late reads again; everybody takes everybody's inbox."""
    code = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_conformance import Place, rows, Batch, Path\n"
        "place, writer = Place(sys.argv[3], Path(sys.argv[1])), sys.argv[2]\n"
        "destination = place.open()\n"
        "for n in range(4):\n"
        "    body = f'{writer}-{n}'\n"
        "    batch = rows((f'2026-03-14T12:00:0{n}.000Z', body))\n"
        "    destination.store(Batch(body.rjust(32, '0'), batch))\n"
        "    destination.commit(time.time_ns() // 1_000_000 + 30_000)\n"
    )
    lake.open().commit(soon())
    writers = [
        subprocess.Popen([sys.executable, "-c", code, lake.folder, str(number), lake.kind])
        for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert lake.bodies() == sorted(f"{w}-{n}" for w in range(3) for n in range(4))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/x", "there is no scheme 'ftp'"),
        ("file://[::1/x", "Invalid IPv6 URL"),
        ("just text", "there is no scheme ''"),
        ("file://relative/path", "the path must be absolute"),
        ("file:///", "the path must be absolute"),
        ("sqlite://", "the path must be absolute"),
        ("sqlite:///x/c.db?wharehouse=/x", "'wharehouse' is not an option"),
        ("sqlite:///x/c.db?warehouse=x", "warehouse='x' is not an absolute path"),
    ],
)
def test_a_malformed_url_is_an_error_that_says_what_is_valid(url: str, problem: str) -> None:
    """One clear line: the variable, its value, what is wrong, what to type instead."""
    settings = load({"OTLP2PARQUET_DESTINATION": url})[0]
    with pytest.raises(DestinationError) as caught:
        choose(settings)
    assert str(caught.value).startswith(f"OTLP2PARQUET_DESTINATION={url!r}: {problem}")
    assert str(caught.value).endswith(
        "expected sqlite:///path/catalog.db?warehouse=/path or file:///path"
    )


@pytest.mark.parametrize(
    ("service", "folder"),
    [
        ("a/b:c d", "a_b_c_d"),
        ("", "unknown-service"),
        ("..", "__"),
        ("æ", "æ"),
        ("a\0b\n", "a_b_"),
        ("ü" * 300, "ü" * 60),
    ],
)
def test_a_service_name_never_leaves_its_folder(tmp_path: Path, service: str, folder: str) -> None:
    """The name comes from a variable anybody may set."""
    table = NOON.set_column(3, NOON.schema.field(3), pa.array([service] * 2))
    place = Place("file", tmp_path)
    place.open().store(Batch("a" * 32, table))
    assert [p.name for p in (tmp_path / "lake/logs").iterdir()] == [folder]


def test_the_table_is_partitioned_by_day_and_carries_the_field_ids(lake: Place) -> None:
    """Readers prune by day, and resolve columns by id: files and table must agree."""
    destination = lake.open()
    destination.store(Batch("a" * 32, NOON))
    destination.commit(soon())
    metadata = json.loads(Path(query.metadata_location(lake.url)).read_text())
    fields = metadata["schemas"][0]["fields"]
    assert [(f["id"], f["name"], f["required"]) for f in fields] == [
        (number, field.name, not field.nullable) for number, field in enumerate(NOON.schema, 1)
    ]
    spec = metadata["partition-specs"][0]["fields"]
    assert [(f["name"], f["transform"], f["source-id"]) for f in spec] == [
        ("Timestamp_day", "day", 1)
    ]
