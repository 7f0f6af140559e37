"""Merged manifests give every reader the same files, and a merge harms no other writer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from lake_bench import DAY_US, NOON_US, Home, bodies_at, soon
from pyiceberg_reference import _iceberg_file

from otlp2parquet_ext.lake.iceberg.catalogs.file_catalog import FileCatalog
from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import SqlitePointer
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.commit.handle import Handle
from otlp2parquet_ext.lake.iceberg.format.avro_file import open_file
from otlp2parquet_ext.lake.iceberg.format.contents import entries as manifest_entries
from otlp2parquet_ext.lake.iceberg.format.contents import lines
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.iceberg.upkeep.merge import FEWEST_SMALL
from otlp2parquet_ext.lake.iceberg.upkeep.merging import Merging, merge_manifests
from otlp2parquet_ext.lake.iceberg.upkeep.notes import FOLDER, Note
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.lake.storage.storage import ObjectTooLongError
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = FEWEST_SMALL + 3


def handle(home: Home) -> Handle:
    """Open the table for maintenance."""
    table = home.lean()
    assert isinstance(table, LeanTable)
    return table.handle


def merge(home: Home, **options: Any) -> Merging:
    """Merge all small manifests."""
    return merge_manifests(handle(home), soon(), **options)


def fill(home: Home, commits: int = MANY) -> list[str]:
    """Commit one file at a time, over some days; return every body."""
    table = home.lean()
    for number in range(commits):
        files = home.store(bodies_at(number % 5, f"{number:03}"), f"{number:03}")
        table.commit(files, soon())
    return [f"{number:03}" for number in range(commits)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table of many small manifests."""
    home = Home(tmp_path)
    fill(home)
    return home


def entries(home: Home) -> list[dict[str, Any]]:
    """Read every entry with PyIceberg, by file, without its status in the manifest."""
    read = home.table().inspect.entries().to_pylist()
    for entry in read:
        entry.pop("status")
    return sorted(read, key=lambda entry: str(entry["data_file"]["file_path"]))


def manifests(home: Home) -> list[dict[str, Any]]:
    """Read the manifest list with PyIceberg."""
    found: list[dict[str, Any]] = home.table().inspect.manifests().to_pylist()
    return found


def left(home: Home, pattern: str) -> list[Path]:
    """List files of the metadata folder."""
    return sorted((home.location / "metadata").glob(pattern))


def test_every_reader_sees_what_it_saw_before(home: Home) -> None:
    """Every file has its snapshot, both sequence numbers, its partition and its bounds."""
    before, bodies = entries(home), home.bodies()
    assert merge(home) == Merging(MANY, MANY, 1)
    (line,) = manifests(home)
    assert line["existing_data_files_count"] == MANY
    assert line["added_data_files_count"] == line["deleted_data_files_count"] == 0
    (summary,) = line["partition_summaries"]
    assert not summary["contains_null"]
    assert summary["lower_bound"] < summary["upper_bound"]
    assert entries(home) == before
    assert {e["status"] for e in home.table().inspect.entries().to_pylist()} == {0}
    assert home.bodies() == bodies


def test_the_snapshot_says_that_no_row_changed(home: Home) -> None:
    """Readers of changes skip it, and the totals stay."""
    before = home.metadata()["snapshots"][-1]["summary"]
    merge(home)
    snapshot = home.metadata()["snapshots"][-1]
    summary = snapshot["summary"]
    assert summary["operation"] == "replace"
    assert summary["manifests-created"] == "1"
    assert summary["manifests-kept"] == "0"
    assert summary["manifests-replaced"] == summary["entries-processed"] == str(MANY)
    totals = {key: value for key, value in before.items() if key.startswith("total-")}
    assert totals.items() <= summary.items()
    assert snapshot["sequence-number"] == MANY + 1


def test_files_are_pruned_as_before(home: Home) -> None:
    """The merged manifest still has partitions and bounds."""
    merge(home)
    day = NOON_US + DAY_US
    scan = home.table().scan(
        row_filter=f"Timestamp >= '{iso(day - 1)}' and Timestamp <= '{iso(day + 1)}'"
    )
    assert len(list(scan.plan_files())) == len(range(1, MANY, 5))
    scan = home.table().scan(row_filter="SpanId = '007'")
    assert [task.file.record_count for task in scan.plan_files()] == [1]


def iso(time_us: int) -> str:
    """Write a time in the form of PyIceberg's filters."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat()


def test_both_go_on_appending_and_merging_on_top(home: Home) -> None:
    """PyIceberg appends, we append and merge again, and PyIceberg appends with its own merge."""
    bodies = home.bodies()
    merge(home)
    home.pyiceberg().commit(home.store(bodies_at(1, "by PyIceberg"), "p"), soon())
    home.append(bodies_at(2, "lean"), "l")
    for number in range(FEWEST_SMALL):
        home.append(bodies_at(3, f"x{number:02}"), f"x{number:02}")
    before = entries(home)
    assert merge(home) == Merging(FEWEST_SMALL + 3, FEWEST_SMALL + 2, 1)
    assert entries(home) == before
    table = home.table()
    with table.transaction() as transaction:
        transaction.set_properties(
            {"commit.manifest-merge.enabled": "true", "commit.manifest.min-count-to-merge": "2"}
        )
    (file,) = home.store(bodies_at(4, "merged by PyIceberg"), "m")
    table = home.table()
    with table.transaction() as transaction, transaction.update_snapshot().merge_append() as append:
        append.append_data_file(_iceberg_file(table, file))
    assert len(manifests(home)) == 1
    x = [f"x{number:02}" for number in range(FEWEST_SMALL)]
    assert home.bodies() == sorted([*bodies, *x, "by PyIceberg", "lean", "merged by PyIceberg"])


def test_older_snapshots_are_read_as_they_were(home: Home) -> None:
    """For time travel their lists name the replaced manifests."""
    older = home.metadata()["snapshots"][-5]["snapshot-id"]
    count = home.table().scan(snapshot_id=older).to_arrow().num_rows
    merge(home)
    assert home.table().scan(snapshot_id=older).to_arrow().num_rows == count == MANY - 4


def test_few_small_manifests_are_left_alone(tmp_path: Path) -> None:
    """A merged manifest is not merged again."""
    home = Home(tmp_path)
    fill(home, FEWEST_SMALL - 1)
    before = home.metadata()
    assert merge(home) == Merging(FEWEST_SMALL - 1, why="few small ones")
    assert home.metadata() == before
    fill(home)
    merge(home)
    assert merge(home).replaced == 0


def test_an_empty_table_and_none_at_all_are_left_alone(tmp_path: Path) -> None:
    """The committer may run before the first writer."""
    home = Home(tmp_path)
    assert merge(home) == Merging(0, why="there is no snapshot")
    home.append(bodies_at(0, "x"), "x")
    metadata = home.metadata()
    home.replace_metadata(metadata | {"snapshots": [], "refs": {}, "current-snapshot-id": None})
    assert merge(home) == Merging(0, why="there is no snapshot")


def test_a_dry_run_changes_nothing(home: Home) -> None:
    """It only reports its plan."""
    before = home.metadata(), left(home, "*")
    assert merge(home, dry_run=True).replaced == MANY
    assert (home.metadata(), left(home, "*")) == before


def test_a_run_is_bounded_and_the_next_goes_on(home: Home) -> None:
    """The bound is in bytes. The rest is merged when there are enough again."""
    bodies = home.bodies()
    size = left(home, "*-m0.avro")[0].stat().st_size
    done = merge(home, most_bytes=10 * size + size // 2)
    assert (done.replaced, done.written) == (10, 1)
    assert len(manifests(home)) == MANY - 9
    assert home.bodies() == bodies


def test_a_run_without_time_does_nothing(home: Home) -> None:
    """Half of the time is for reading, and unread manifests wait for the next run."""
    before = home.metadata()
    done = merge_manifests(handle(home), soon(-1_000))
    assert done.why == "there was no time, or nothing that can be merged"
    assert home.metadata() == before
    assert list((home.location / FOLDER).glob("*")) == []


def test_what_a_run_replaces_is_noted(home: Home) -> None:
    """With the note it can be deleted when no snapshot needs it."""
    replaced = sorted(manifest["path"] for manifest in manifests(home))
    merge(home)
    (path,) = (home.location / FOLDER).iterdir()
    note = msgspec.json.decode(path.read_bytes(), type=Note)
    assert sorted(note.manifests) == replaced
    assert note.snapshot_id == home.metadata()["current-snapshot-id"]
    assert note.table_uuid == home.metadata()["table-uuid"]


class Faulty(SqlitePointer):
    """A catalog in which a test lets something happen before each compare-and-swap."""

    def __init__(self, home: Home, *faults: Callable[[Callable[[], bool]], bool]) -> None:
        super().__init__(home.database, "otel", "logs")
        self._faults = list(faults)

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """See `Pointer.swap`."""

        def really() -> bool:
            return super(Faulty, self).swap(old, new, deadline_ms)

        return self._faults.pop(0)(really) if self._faults else really()

    def handle(self) -> Handle:
        """Open the table through it."""
        disk = LocalStorage(Path("/"))
        return Handle(FileCatalog(self, disk), disk, COLUMNS)


def test_a_lost_race_is_tried_again_with_the_same_manifest(home: Home) -> None:
    """A writer is faster twice. Only the manifest list is made again, and no file is left over."""
    bodies = home.bodies()

    def faster(name: str) -> Callable[[Callable[[], bool]], bool]:
        def lost(really: Callable[[], bool]) -> bool:
            home.append(bodies_at(0, name), name)
            return really()

        return lost

    done = merge_manifests(Faulty(home, faster("a"), faster("b")).handle(), soon())
    assert done == Merging(MANY, MANY, 1)
    assert len(manifests(home)) == 3
    assert home.bodies() == sorted([*bodies, "a", "b"])
    assert len(left(home, "*-m0.avro")) == MANY + 3
    lists = {snapshot["manifest-list"] for snapshot in home.metadata()["snapshots"]}
    assert lists <= set(map(str, left(home, "snap-*.avro")))
    assert len(left(home, "snap-*.avro")) == MANY + 3


def test_two_merges_at_once_lose_nothing(home: Home) -> None:
    """The second finds its manifests replaced, and ends without a change."""
    bodies = home.bodies()

    def other(really: Callable[[], bool]) -> bool:
        assert merge(home) == Merging(MANY, MANY, 1)
        return really()

    done = merge_manifests(Faulty(home, other).handle(), soon())
    assert done == Merging(MANY, why="another writer replaced the same manifests")
    assert home.bodies() == bodies
    assert len(manifests(home)) == 1
    assert len(left(home, "*-m0.avro")) == MANY + 1
    assert len(list((home.location / FOLDER).iterdir())) == 1


def landed_but_lost(really: Callable[[], bool]) -> bool:
    """Commit, and lose the answer."""
    assert really()
    raise OutcomeUnknownError("the answer was lost")


def never_arrived(really: Callable[[], bool]) -> bool:
    """Lose the request."""
    del really
    raise OutcomeUnknownError("the request was lost")


def test_an_unknown_outcome_is_looked_up(home: Home) -> None:
    """The commit succeeded, so its files are referenced."""
    bodies = home.bodies()
    assert merge_manifests(Faulty(home, landed_but_lost).handle(), soon()).replaced == MANY
    assert home.bodies() == bodies


def test_what_may_yet_land_is_kept(home: Home) -> None:
    """The commit may still succeed in a moment, so only the sweep deletes its files."""
    bodies = home.bodies()
    done = merge_manifests(Faulty(home, never_arrived).handle(), soon())
    assert done.why == "it is not known whether the commit landed"
    assert len(left(home, "*-m0.avro")) == MANY + 1
    assert home.bodies() == bodies
    assert merge(home).replaced == MANY
    assert home.bodies() == bodies


def test_a_refused_commit_leaves_nothing(home: Home) -> None:
    """Without the permission to commit, no file of ours stays."""

    def refused(really: Callable[[], bool]) -> bool:
        del really
        raise CommitError("403")

    before = left(home, "*.avro")
    with pytest.raises(CommitError, match="403"):
        merge_manifests(Faulty(home, refused).handle(), soon())
    assert left(home, "*.avro") == before
    assert list((home.location / FOLDER).iterdir()) == []


def current_list(home: Home) -> Path:
    """Return the path of the current manifest list."""
    return Path(home.metadata()["snapshots"][-1]["manifest-list"])


def rewrite_list(home: Home, edit: Callable[[bytes], bytes]) -> None:
    """Replace the current manifest list, as another program would."""
    metadata = home.metadata()
    path = home.location / "metadata" / "other.avro"
    path.write_bytes(edit(current_list(home).read_bytes()))
    metadata["snapshots"][-1]["manifest-list"] = str(path)
    home.replace_metadata(metadata)


def test_others_manifests_are_kept_untouched(home: Home) -> None:
    """Their lines are copied byte for byte, with fields of any future version."""
    home.pyiceberg().commit(home.store(bodies_at(1, "theirs"), "p"), soon())
    theirs = lines(open_file(current_list(home).read_bytes()))
    theirs = [line for line in theirs if "otlp2parquet" not in line.path.rpartition("/")[2]]
    assert len(theirs) == 1
    assert merge(home) == Merging(MANY + 1, MANY, 1)
    after = lines(open_file(current_list(home).read_bytes()))
    assert [line for line in after if line.path == theirs[0].path] == theirs


def test_a_manifest_that_is_not_as_ours_are_is_kept(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may be damaged, have unknown fields of another version, or other rows."""
    some = left(home, "*-m0.avro")[:3]
    home.append(bodies_at(0, "two", "rows"), "two")
    bodies, kept = home.bodies(), [path.read_bytes() for path in some]
    two = lines(open_file(current_list(home).read_bytes()))[-1]
    some[0].write_bytes(kept[0][:-3])
    some[1].write_bytes(kept[1].replace(b'"sort_order_id"', b'"sort_order_ie"'))
    some[2].write_bytes(Path(two.path).read_bytes())
    assert merge(home) == Merging(MANY + 1, MANY - 2, 1)
    assert capfd.readouterr().err.count("it is kept as it is") == 3
    for path, data in zip(some, kept, strict=True):
        path.write_bytes(data)
    assert home.bodies() == bodies


def test_of_a_manifest_that_is_longer_than_its_list_says_no_more_is_read(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """Another file of any length is in its place. The other manifests are still merged."""
    some = left(home, "*-m0.avro")[0]
    kept = some.read_bytes()
    some.write_bytes(kept + kept[-17:])
    assert merge(home) == Merging(MANY, MANY - 1, 1)
    assert "is longer than the" in capfd.readouterr().err
    line = next(
        line
        for line in lines(open_file(current_list(home).read_bytes()))
        if line.path.endswith(some.name)
    )
    with pytest.raises(ObjectTooLongError, match=f"longer than {len(kept)} bytes"):
        manifest_entries(handle(home).storage, line)


def test_manifests_of_another_partition_spec_are_left_alone(home: Home) -> None:
    """One header cannot describe both."""
    metadata = home.metadata()
    metadata["partition-specs"].append({"spec-id": 1, "fields": []})
    metadata["default-spec-id"] = 1
    home.replace_metadata(metadata)
    assert merge(home) == Merging(MANY, why="few small ones")


def test_an_unpartitioned_table_is_merged(tmp_path: Path) -> None:
    """It has no bounds of days, so the manifests are not divided."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    metadata = home.metadata()
    metadata["partition-specs"].append({"spec-id": 1, "fields": []})
    metadata["default-spec-id"] = 1
    home.replace_metadata(metadata)
    bodies = fill(home)
    before = entries(home)
    assert merge(home) == Merging(MANY + 1, MANY, 1)
    assert entries(home) == before
    assert home.bodies() == sorted(["first", *bodies])


def test_an_unsupported_table_is_refused(home: Home) -> None:
    """Tables that the append refuses are not merged either."""
    home.replace_metadata(home.metadata() | {"format-version": 1})
    with pytest.raises(CommitError, match="format version 1; expected 2 or 3"):
        merge(home)
