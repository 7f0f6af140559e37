"""Cleaning deletes only files that no reader can need; every other file stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from lake_bench import Home, bodies_at, soon
from pyiceberg_reference import _iceberg_file

from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.expiry import SNAPSHOTS_KEPT
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.contents import all_lines
from otlp2parquet_ext.lake.iceberg.upkeep.cleaning import Cleaned, clean
from otlp2parquet_ext.lake.iceberg.upkeep.merge import FEWEST_SMALL
from otlp2parquet_ext.lake.iceberg.upkeep.merging import merge_manifests
from otlp2parquet_ext.lake.iceberg.upkeep.notes import FOLDER, Note
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.lake.iceberg.commit.handle import Handle


def handle(home: Home) -> Handle:
    """Open the table for maintenance."""
    table = home.lean()
    assert isinstance(table, LeanTable)
    return table.handle


def run(home: Home, **options: Any) -> Cleaned:
    """Clean, without a grace period unless a test gives one."""
    return clean(handle(home), soon(), **({"grace_ms": 0} | options))


def commit(home: Home, count: int) -> None:
    """Commit one file at a time, none that was there before."""
    table, first = home.lean(), len(data_files(home))
    for number in range(first, first + count):
        text = f"x{number:03}"
        table.commit(home.store(bodies_at(0, text), text), soon())


def notes(home: Home) -> list[Path]:
    """List the notes."""
    return sorted((home.location / FOLDER).glob("*"))


def manifests(home: Home) -> set[str]:
    """List the existing manifests."""
    return set(map(str, (home.location / "metadata").glob("*-m*.avro")))


def referred(home: Home) -> set[str]:
    """Return every manifest any snapshot refers to."""
    version = handle(home).catalog.load(soon())
    assert version is not None
    return set(all_lines(handle(home).storage, version.metadata, 1))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table with merged manifests; all earlier snapshots still exist."""
    home = Home(tmp_path)
    commit(home, FEWEST_SMALL)
    assert merge_manifests(handle(home), soon()).replaced == FEWEST_SMALL
    return home


@pytest.mark.thorough
def test_replaced_manifests_go_when_the_last_snapshot_that_needs_them_is_gone(home: Home) -> None:
    """They are not deleted earlier, and no other file is deleted with them."""
    bodies = home.bodies()
    assert run(home) == Cleaned(notes=1)
    for number in range(SNAPSHOTS_KEPT - 1):
        before = manifests(home)
        assert run(home).manifests == 0
        assert manifests(home) == before
        oldest = home.metadata()["snapshots"][0]["snapshot-id"]
        assert home.table().scan(snapshot_id=oldest).to_arrow().num_rows > 0
        home.append(bodies_at(0, "y"), f"y{number}")
    home.append(bodies_at(0, "y"), "last")
    assert run(home, dry_run=True) == Cleaned(FEWEST_SMALL, 0, 0)
    assert len(manifests(home)) > FEWEST_SMALL
    assert run(home) == Cleaned(FEWEST_SMALL, 0, 0)
    assert manifests(home) == referred(home)
    assert notes(home) == []
    assert home.bodies() == sorted(bodies + ["y"] * SNAPSHOTS_KEPT)
    assert run(home) == Cleaned(why="nothing is due")


def test_readers_are_given_time(home: Home) -> None:
    """A reader may have read the metadata of a snapshot just before it expired."""
    commit(home, SNAPSHOTS_KEPT)
    assert run(home, grace_ms=60_000) == Cleaned(notes=1, why="nothing is due")
    assert run(home).manifests == FEWEST_SMALL


@pytest.mark.parametrize("ref", ["tag", "branch"])
def test_what_a_tag_or_branch_leads_to_stays(home: Home, ref: str) -> None:
    """This holds at any age. When the tag or branch is deleted, the files are, too."""
    metadata = home.metadata()
    old = metadata["snapshots"][-2]["snapshot-id"]
    metadata["refs"]["kept"] = {"type": ref, "snapshot-id": old}
    home.replace_metadata(metadata)
    commit(home, SNAPSHOTS_KEPT + 2)
    assert run(home).notes == 1
    assert home.table().scan(snapshot_id=old).to_arrow().num_rows == FEWEST_SMALL
    metadata = home.metadata()
    del metadata["refs"]["kept"]
    metadata["snapshots"] = metadata["snapshots"][-SNAPSHOTS_KEPT:]
    home.replace_metadata(metadata)
    assert run(home).manifests == FEWEST_SMALL


def test_a_note_of_a_merge_that_never_landed_deletes_nothing(home: Home) -> None:
    """The run was killed between note and swap, so the named files are in use."""
    commit(home, SNAPSHOTS_KEPT)
    (path,) = notes(home)
    note = msgspec.json.decode(path.read_bytes(), type=Note)
    never = msgspec.structs.replace(note, snapshot_id=7, manifests=sorted(referred(home)))
    name = f"{never.replaced_ms}-7.json"
    (home.location / FOLDER / name).write_bytes(msgspec.json.encode(never))
    assert run(home) == Cleaned(FEWEST_SMALL, 0, 1)
    assert manifests(home) == referred(home)


@pytest.mark.parametrize(
    ("edit", "notes_left"),
    [
        (lambda note: msgspec.structs.replace(note, table_uuid="another"), 0),
        (lambda note: msgspec.structs.replace(note, manifests=["/etc/passwd"]), 0),
        (lambda note: msgspec.structs.replace(note, files=["/etc/passwd"], manifests=[]), 0),
    ],
)
def test_a_note_deletes_nothing_of_another_table_or_place(
    home: Home, edit: Callable[[Note], Note], notes_left: int
) -> None:
    """A table may be dropped and created again in the same place, and notes can be edited."""
    commit(home, SNAPSHOTS_KEPT)
    (path,) = notes(home)
    path.write_bytes(msgspec.json.encode(edit(msgspec.json.decode(path.read_bytes(), type=Note))))
    before = manifests(home)
    assert run(home) == Cleaned(0, 0, notes_left)
    assert manifests(home) == before


def test_a_path_that_leaves_the_folder_is_not_followed(home: Home) -> None:
    """A forged note must not delete other files."""
    commit(home, SNAPSHOTS_KEPT)
    outside = home.location / "outside.avro"
    outside.write_text("x")
    (path,) = notes(home)
    note = msgspec.json.decode(path.read_bytes(), type=Note)
    names = [f"{home.location}/metadata/../outside.avro"]
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(note, manifests=names)))
    assert run(home).manifests == 0
    assert outside.exists()


def test_foreign_files_among_the_notes_are_passed_over(home: Home) -> None:
    """They may be files of a user, or half a note."""
    commit(home, SNAPSHOTS_KEPT)
    (home.location / FOLDER / "note.txt").write_text("hello")
    (home.location / FOLDER / "0000000000001-5.json").write_text('{"table_uuid":')
    assert run(home).manifests == FEWEST_SMALL
    assert len(notes(home)) == 2


def test_a_table_that_does_not_want_it_is_left_alone(home: Home) -> None:
    """With `gc.enabled=false` its files may belong to other tables, too."""
    commit(home, SNAPSHOTS_KEPT)
    metadata = home.metadata()
    metadata["properties"]["gc.enabled"] = "false"
    home.replace_metadata(metadata)
    before = manifests(home)
    assert run(home) == Cleaned(why="the table has gc.enabled=false")
    assert manifests(home) == before


@pytest.mark.parametrize("damage", [None, b"no Avro"])
def test_what_cannot_be_asked_may_refer_to_anything(home: Home, damage: bytes | None) -> None:
    """If a manifest list is missing or damaged, nothing is deleted, and a line is logged."""
    commit(home, SNAPSHOTS_KEPT)
    path = Path(home.metadata()["snapshots"][3]["manifest-list"])
    path.unlink()
    if damage:
        path.write_bytes(damage)
    before = manifests(home)
    with pytest.raises((StorageError, AvroError)):
        run(home)
    assert manifests(home) == before


def test_an_empty_place_has_nothing_to_clean(tmp_path: Path) -> None:
    """The committer may run before the first writer."""
    assert run(Home(tmp_path)) == Cleaned(why="there is no snapshot")


def data_files(home: Home) -> set[str]:
    """List the existing data files."""
    return set(map(str, (home.location / "data").rglob("*.parquet")))


def live_files(home: Home) -> set[str]:
    """Return the data files the current snapshot reads."""
    found = home.table().inspect.files().to_pylist()
    return {str(file["file_path"]).removeprefix("file://") for file in found}


def compact(home: Home, name: str) -> None:
    """Replace all data files by one with the same rows, as a compaction does."""
    table = home.table()
    old = [task.file for task in table.scan().plan_files()]
    (file,) = home.store(bodies_at(0, *home.bodies()), name)
    with table.transaction() as transaction, transaction.update_snapshot().overwrite() as change:
        for path in old:
            change.delete_data_file(path)
        change.append_data_file(_iceberg_file(table, file))


@pytest.fixture
def compacted(tmp_path: Path) -> Home:
    """A table whose two files became one, after a first run of the committer."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "one", "two"), "a")
    home.append(bodies_at(0, "three"), "b")
    compact(home, "c")
    assert home.bodies() == ["one", "three", "two"]
    assert len(data_files(home)) == 3
    assert run(home).files == 0
    return home


def test_files_that_others_compacted_go_when_no_snapshot_needs_them(compacted: Home) -> None:
    """Data files and manifests are deleted when the last snapshot that reads them has expired."""
    before = data_files(compacted)
    commit(compacted, SNAPSHOTS_KEPT - 2)
    assert run(compacted).files == 0
    assert before <= data_files(compacted)
    commit(compacted, 1)
    assert run(compacted) == Cleaned(2, 2, 0)
    assert data_files(compacted) == live_files(compacted)
    assert len(compacted.bodies()) == 3 + SNAPSHOTS_KEPT - 1


def test_a_compacted_file_that_somebody_added_again_stays(compacted: Home) -> None:
    """One snapshot deleted it and a later one added it. The table decides, not the note."""
    files = compacted.store(bodies_at(0, "one", "two"), "a")
    compacted.lean().commit([msgspec.structs.replace(f, name="again") for f in files], soon())
    commit(compacted, SNAPSHOTS_KEPT)
    assert run(compacted) == Cleaned(2, 1, 1)
    assert data_files(compacted) == live_files(compacted)


def test_when_there_is_no_time_to_ask_everybody_nothing_is_deleted(compacted: Home) -> None:
    """The next run begins again."""
    commit(compacted, SNAPSHOTS_KEPT)
    before = data_files(compacted)
    with pytest.raises(TimeoutError):
        clean(handle(compacted), soon(-1), grace_ms=0)
    assert data_files(compacted) == before


def test_a_rewrite_that_cannot_be_read_keeps_no_other_from_being_cleaned(home: Home) -> None:
    """Another writer compresses manifests with an unknown codec.

    Its files stay, ours are deleted.
    """
    compact(home, "c")
    written = sorted(
        (home.location / "metadata").glob("*-m*.avro"), key=lambda p: p.stat().st_mtime
    )
    for path in written[-2:]:
        path.write_bytes(path.read_bytes().replace(b"deflate", b"zstanda"))
    commit(home, SNAPSHOTS_KEPT)
    assert run(home).manifests == FEWEST_SMALL
