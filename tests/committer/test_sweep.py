"""The sweep deletes no file in use, and brings back rows that were never visible."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from committer_bench import committer, store, table_of_others
from lake_bench import Home, bodies_at, soon
from places import Folder, Place, sqlite
from pyiceberg.types import BooleanType, StringType
from pyiceberg_reference import _iceberg_file

from otlp2parquet_ext.functions.committer.sweeping import (
    FOLDER,
    MARK_BYTES,
    Options,
    Position,
    Swept,
    sweep,
)
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.expiry import SNAPSHOTS_KEPT
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

OLD = Options(older_than_ms=0)
UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """A table with three rows, in three commits."""
    lake = sqlite(tmp_path)
    for name in ("a", "b", "c"):
        store(lake, name)
        commit(lake)
    return lake


def commit(lake: Place) -> None:
    """Commit what waits."""
    assert commit_waiting(committer(lake), soon()).problem == ""


def home(lake: Place) -> Home:
    """Return the same table for PyIceberg and for what is done by hand."""
    assert isinstance(lake.objects, Folder)
    return Home(lake.objects.root.parents[2])


def run(lake: Place, options: Options = OLD, within_ms: int = 20_000, **environ: str) -> Swept:
    """Sweep; every file counts as old, unless the test says otherwise."""
    place = committer(lake, **environ)
    table = place.open_table()
    assert isinstance(table, LeanTable)
    return sweep(place, table.handle, soon(within_ms), options)


def lost(lake: Place, name: str, day: int = 0) -> str:
    """Store a batch whose environment dies before it leaves a descriptor; return the file."""
    store(lake, name, day=day)
    (entry,) = (entry for entry in lake.inbox() if f"{name}-" in entry)
    lake.objects.remove(entry)
    (file,) = (n for n in lake.objects.names("data/") if n.endswith(f"{name}.parquet"))
    return file


def test_a_healthy_table_loses_nothing(lake: Place) -> None:
    """Everything is referred to: data, lists, metadata and its log, and what waits."""
    store(lake, "waiting")
    before = lake.objects.names()
    assert run(lake) == Swept(looked=14, ended=True)
    assert [n for n in lake.objects.names() if not n.startswith(FOLDER)] == before
    commit(lake)
    assert lake.bodies() == ["a", "b", "c", "waiting"]


WASTE = [
    f"metadata/otlp2parquet-{UUID}-m0.avro",
    f"metadata/{UUID}-m17.avro",
    f"metadata/snap-7-1-{UUID}.avro",
    f"metadata/00009-{UUID}.metadata.json",
    "metadata/.snap-7.avro.123",
    "data/Timestamp_day=2026-01-01/.x.parquet.99",
]


def test_metadata_of_attempts_that_died_is_deleted(lake: Place) -> None:
    """These are manifests, lists and metadata without a reference, and unfinished files."""
    before = lake.objects.names()
    for name in WASTE:
        lake.objects.write(name, b"waste")
    swept = run(lake)
    assert (swept.deleted, swept.deleted_bytes, swept.left) == (len(WASTE), 30, 0)
    assert isinstance(lake.objects, Folder)
    for name in WASTE:
        assert not (lake.objects.root / name).exists()
    assert [n for n in lake.objects.names() if not n.startswith(FOLDER)] == before
    assert lake.bodies() == ["a", "b", "c"]


def test_young_files_are_left_alone(lake: Place) -> None:
    """They may be of a commit that is under way, or of an environment that is frozen."""
    for name in WASTE:
        lake.objects.write(name, b"waste")
    lost(lake, "x")
    assert run(lake, Options()) == Swept(looked=13 + len(WASTE) + 1, ended=True)
    assert isinstance(lake.objects, Folder)
    for name in WASTE[:2]:
        os.utime(lake.objects.root / name, (1, 1))
    assert run(lake, Options()).deleted == 2


def test_metadata_of_unknown_names_is_told_of_and_left(lake: Place) -> None:
    """It may be a hint of another catalog, a statistics file, or a user's note."""
    names = ["metadata/note.txt", "metadata/sub/x-m0.avro", "metadata/version-hint.text"]
    for name in names:
        lake.objects.write(name, b"x")
    swept = run(lake)
    assert (swept.foreign, swept.deleted) == (3, 0)
    assert [path.partition("logs/")[2] for path in swept.examples] == names
    assert set(names) <= set(lake.objects.names())


def test_files_elsewhere_in_the_location_are_not_looked_at(lake: Place) -> None:
    """Other tables, and files of users, may be below it."""
    other = [f"other/metadata/snap-1-1-{UUID}.avro", "inbox/note.txt", "care/x.json"]
    for name in other:
        lake.objects.write(name, b"x")
    assert run(lake) == Swept(looked=13, ended=True)
    assert set(other) <= set(lake.objects.names())


def test_rows_whose_environment_died_before_the_descriptor_are_brought_back(lake: Place) -> None:
    """With the bounds that readers prune by; once, however often it is swept."""
    lost(lake, "x")
    lost(lake, "y", day=3)
    assert run(lake) == Swept(looked=15, adopted=2, ended=True)
    assert len(lake.inbox()) == 2
    assert run(lake).adopted == 0
    commit(lake)
    assert lake.bodies() == ["a", "b", "c", "x", "y"]
    assert run(lake).adopted == 0
    entries = home(lake).table().inspect.entries().to_pylist()
    bounds = [
        [(c, m["lower_bound"], m["value_count"]) for c, m in e["readable_metrics"].items()]
        for e in entries
        if e["data_file"]["file_path"].endswith(("0a.parquet", "0x.parquet"))
    ]
    assert len(bounds) == 2
    assert [b for b in bounds[0] if b[0] != "SpanId"] == [b for b in bounds[1] if b[0] != "SpanId"]


def test_an_adopted_file_is_described_as_its_environment_would_have(lake: Place) -> None:
    """The bytes are equal, so a late descriptor of the environment changes nothing."""
    store(lake, "x")
    (entry,) = lake.inbox()
    described = lake.objects.read(entry)
    lake.objects.remove(entry)
    run(lake)
    assert {n: lake.objects.read(n) for n in lake.inbox()} == {entry: described}


def test_rows_of_a_table_somebody_deleted_from_are_left(lake: Place) -> None:
    """The file may have been in the table; its rows may have been deleted for good reasons."""
    home(lake).table().delete("Body = 'b'")
    (file,) = (n for n in lake.objects.names("data/") if n.endswith("0b.parquet"))
    lost(lake, "x")
    for name in range(SNAPSHOTS_KEPT + 2):
        store(lake, f"n{name:02}")
        commit(lake)
    swept = run(lake)
    assert (swept.adopted, swept.left) == (0, 2)
    assert file in lake.objects.names("data/")
    assert "b" not in lake.bodies()
    assert "x" not in lake.bodies()


def test_files_of_a_table_that_was_here_before_are_left(lake: Place) -> None:
    """It was dropped and created again in the same place, and its old rows must not return."""
    home(lake).catalog().drop_table(("otel", "logs"))
    time.sleep(0.005)  # the clock of files is in milliseconds
    store(lake, "new")
    commit(lake)
    swept = run(lake)
    assert (swept.adopted, swept.left) == (0, 3)
    assert lake.bodies() == ["new"]


def test_strays_are_deleted_only_when_that_is_asked_for(lake: Place) -> None:
    """Only a user can know that they are useless."""
    home(lake).table().delete("Body = 'b'")
    for name in range(SNAPSHOTS_KEPT + 2):
        store(lake, f"n{name:02}")
        commit(lake)
    before = lake.bodies()
    assert run(lake, Options(older_than_ms=0, delete_strays=True)).deleted >= 1
    assert not [n for n in lake.objects.names("data/") if n.endswith("0b.parquet")]
    assert lake.bodies() == before


def damage_footer(data: bytes) -> bytes:
    """Cut a file off."""
    return data[:-10]


@pytest.mark.parametrize("edit", [damage_footer, lambda _: b"PAR1", lambda _: b"\0" * 10_000])
def test_a_file_that_is_not_whole_is_left(lake: Place, edit: Callable[[bytes], bytes]) -> None:
    """No reader can use it, but a person may repair it."""
    file = lost(lake, "x")
    lake.objects.write(file, edit(lake.objects.read(file)))
    swept = run(lake)
    assert (swept.adopted, swept.left, len(swept.examples)) == (0, 1, 1)


def test_a_file_in_the_folder_of_another_day_is_left(lake: Place) -> None:
    """Queries for its rows would skip this folder."""
    file = lost(lake, "x")
    data = lake.objects.read(file)
    lake.objects.remove(file)
    lake.objects.write("data/Timestamp_day=2001-02-03/" + file.rpartition("/")[2], data)
    assert run(lake).left == 1


def test_data_files_of_others_are_not_looked_after(lake: Place) -> None:
    """Names we do not give: an engine's compaction that is under way, or has failed."""
    for name in ("data/00000-1-x.parquet", f"data/Timestamp_day=2026-99-99/{'a' * 32}.parquet"):
        lake.objects.write(name, b"x")
    assert run(lake) == Swept(looked=15, ended=True)


def compact(lake: Place) -> None:
    """Replace all data files by one with the same rows, as a compaction does."""
    table = home(lake).table()
    old = [task.file for task in table.scan().plan_files()]
    (file,) = home(lake).store(bodies_at(0, *lake.bodies()), "compacted")
    with table.transaction() as transaction, transaction.update_snapshot().overwrite() as change:
        for path in old:
            change.delete_data_file(path)
        change.append_data_file(_iceberg_file(table, file))


def test_files_of_older_snapshots_are_referred_to(lake: Place) -> None:
    """They are not in the current one, and still belong to the table."""
    compact(lake)
    older = home(lake).metadata()["snapshots"][-2]["snapshot-id"]
    assert run(lake, Options(older_than_ms=0, delete_strays=True)).deleted == 0
    assert home(lake).table().scan(snapshot_id=older).to_arrow().num_rows == 3


def test_a_file_that_is_in_the_table_written_anew_is_waste(tmp_path: Path) -> None:
    """If it were adopted under its old name, its rows would be there twice."""
    lake = table_of_others(tmp_path, StringType())
    store(lake, "a")
    commit(lake)
    assert len(lake.objects.names("data/")) == 2
    swept = run(lake)
    assert (swept.deleted, swept.adopted, swept.left) == (1, 0, 0)
    assert len(lake.objects.names("data/")) == 1
    assert lake.bodies() == ["a"]


def test_a_lost_file_is_brought_back_into_a_table_of_others(tmp_path: Path) -> None:
    """It is rewritten for that table, like any other file."""
    lake = table_of_others(tmp_path, StringType())
    lost(lake, "x")
    assert run(lake).adopted == 1
    commit(lake)
    assert lake.bodies() == ["x"]
    assert run(lake).adopted == 0


def test_a_file_whose_rows_lie_beside_the_table_is_not_brought_back(tmp_path: Path) -> None:
    """The table cannot take its types, so it would be adopted and set aside for ever."""
    lake = table_of_others(tmp_path, BooleanType())
    store(lake, "a")
    commit(lake)
    (copy,) = lake.objects.names("beside/")
    swept = run(lake)
    assert (swept.deleted, swept.adopted, swept.left) == (1, 0, 0)
    assert lake.objects.names("data/") == []
    assert lake.objects.names("beside/") == [copy]


def test_a_sweep_is_bounded_and_goes_on_where_it_stopped(lake: Place) -> None:
    """It works page by page, and after a kill repeats at most one page."""
    for name in WASTE:
        lake.objects.write(name, b"waste")
    small = Options(older_than_ms=0, files_per_page=4)
    looked = 0
    for _ in range(10):
        swept = run(lake, small, within_ms=5_000 + 5)
        looked += swept.looked
        if swept.ended:
            break
    assert swept.ended
    assert looked == 13 + len(WASTE)
    (mark,) = lake.objects.names(FOLDER)
    assert msgspec.json.decode(lake.objects.read(mark), type=Position).ended


def test_a_position_that_is_none_of_ours_is_not_read_and_stops_no_sweep(lake: Place) -> None:
    """A file of any length may have its name: one position is a line."""
    assert run(lake).ended
    daily = Options(older_than_ms=0, every_ms=86_400_000)
    other = b" " * MARK_BYTES + msgspec.json.encode(Position(1))
    lake.objects.write(f"{FOLDER}/9999999999999.json", other)
    assert run(lake, daily).why == "the last sweep was not long ago"


def test_the_next_sweep_begins_when_it_is_time(lake: Place) -> None:
    """Once a day is enough."""
    daily = Options(older_than_ms=0, every_ms=86_400_000)
    assert run(lake, daily).ended
    assert run(lake, daily).why == "the last sweep was not long ago"
    assert run(lake).looked == 13


def test_a_dry_run_changes_nothing_and_says_what_would_be(lake: Place) -> None:
    """It does not move the position of the real sweep either."""
    for name in WASTE:
        lake.objects.write(name, b"waste")
    lost(lake, "x")
    before = lake.objects.names()
    swept = run(lake, Options(older_than_ms=0, dry_run=True, delete_strays=True, files_per_page=3))
    assert (swept.deleted, swept.adopted, swept.ended) == (len(WASTE), 1, True)
    assert lake.objects.names() == before


def test_files_by_a_separate_inbox_are_swept_too(lake: Place, tmp_path: Path) -> None:
    """Environments that may not write to the table store there."""
    inbox = f"file://{tmp_path}/apart"
    apart = Place(lake.kind, lake.url, Folder(tmp_path / "apart/otel/logs"), lake.environ)
    store(lake, "x", "y", OTLP2PARQUET_INBOX=inbox)
    apart.objects.remove(next(n for n in apart.inbox() if "x-" in n))
    swept = run(lake, OTLP2PARQUET_INBOX=inbox)
    assert (swept.adopted, swept.left) == (1, 0)
    assert commit_waiting(committer(lake, OTLP2PARQUET_INBOX=inbox), soon()).files == 2
    assert lake.bodies() == ["a", "b", "c", "x", "y"]


@pytest.mark.parametrize("damage", [None, b"no Avro"])
def test_what_cannot_be_asked_may_refer_to_anything(lake: Place, damage: bytes | None) -> None:
    """A manifest or list that is missing or damaged: nothing of the page is touched."""
    for name in WASTE:
        lake.objects.write(name, b"waste")
    lost(lake, "x")
    manifest = next(n for n in lake.objects.names("metadata/otlp2parquet-") if UUID not in n)
    lake.objects.remove(manifest)
    if damage:
        lake.objects.write(manifest, damage)
    before = lake.objects.names()
    with pytest.raises((StorageError, AvroError)):
        run(lake)
    assert lake.objects.names() == before


def with_property(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    """Set a property of the table."""
    return lambda metadata: metadata["properties"].update({name: value})


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (with_property("gc.enabled", "false"), "the table has gc.enabled=false"),
        (
            lambda metadata: metadata.update(location="s3://x--table-s3/y"),
            "only S3 Tables itself deletes unreferenced files",
        ),
    ],
)
def test_a_table_that_does_not_want_it_is_left_alone(
    lake: Place, edit: Callable[[dict[str, Any]], None], why: str
) -> None:
    """Its files may belong to others, too."""
    metadata = home(lake).metadata()
    edit(metadata)
    home(lake).replace_metadata(metadata)
    lake.objects.write(WASTE[0], b"x")
    assert run(lake) == Swept(why=why)


def test_without_a_table_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    """The committer may be there first."""
    assert run(sqlite(tmp_path)) == Swept(why="there is no table")


def test_statistics_files_and_old_metadata_are_referred_to(lake: Place) -> None:
    """All files that the table's metadata names belong to the table."""
    metadata = home(lake).metadata()
    head = metadata["current-snapshot-id"]
    stats = str(Path(metadata["location"]) / "metadata" / "x.stats")
    Path(stats).write_bytes(b"x")
    metadata["statistics"] = [
        {
            "snapshot-id": head,
            "statistics-path": stats,
            "file-size-in-bytes": 1,
            "file-footer-size-in-bytes": 1,
            "blob-metadata": [],
        }
    ]
    old = home(lake).metadata_path()
    metadata["metadata-log"].append({"metadata-file": str(old), "timestamp-ms": 1})
    home(lake).replace_metadata(metadata)
    assert run(lake) == Swept(looked=15, ended=True)
    assert Path(stats).exists()
    assert old.exists()
