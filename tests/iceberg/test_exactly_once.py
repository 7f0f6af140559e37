"""Each file exactly once, with lost answers, other writers in between, and any delay."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from lake_bench import Home, bodies_at, soon

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.lake.destinations.lake import FILES_PER_COMMIT, Lake
from otlp2parquet_ext.lake.iceberg.catalogs.file_catalog import FileCatalog
from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import SqlitePointer
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.catalog import OutcomeUnknownError
from otlp2parquet_ext.lake.iceberg.commit.ledger import (
    FORGOTTEN,
    LEDGER,
    LENGTH,
    NAMES,
    Ledger,
    names_summary,
)
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A table of ours with one row."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    return home


def inbox_of(home: Home) -> list[str]:
    """List the inbox."""
    return sorted(path.name for path in (home.location / "inbox").glob("*.json"))


@pytest.mark.parametrize("commits", [1, 30])
def test_an_inbox_entry_whose_commit_landed_is_never_committed_again(
    tmp_path: Path, commits: int
) -> None:
    """Its snapshot expired long ago, and with it the names in its summary."""
    home = Home(tmp_path)
    lake = Lake(LocalStorage(home.location), home.lean)
    lake.store(Batch("a" * 32, {"logs": bodies_at(0, "once")}))
    shutil.copytree(home.location / "inbox", tmp_path / "copy")
    lake.commit(soon())
    for number in range(commits):
        home.append(bodies_at(0, "other"), str(number))
    shutil.copytree(tmp_path / "copy", home.location / "inbox", dirs_exist_ok=True)
    Lake(LocalStorage(home.location), home.lean).commit(soon())
    assert home.bodies() == ["once"] + ["other"] * commits
    assert inbox_of(home) == []


def test_names_only_pyiceberg_wrote_outlive_their_snapshot(tmp_path: Path) -> None:
    """Both implementations keep the same ledger."""
    home = Home(tmp_path)
    files = home.store(bodies_at(0, "theirs"), "theirs")
    home.pyiceberg().commit(files, soon())
    for number in range(22):
        home.append(bodies_at(0, "ours"), str(number))
    home.lean().commit(files, soon())
    home.pyiceberg().commit(files, soon())
    assert home.bodies() == ["ours"] * 22 + ["theirs"]


def test_a_file_named_twice_in_one_commit_is_added_once(home: Home) -> None:
    """The lists of two committers may overlap."""
    files = home.store(bodies_at(0, "second"), "second")
    home.lean().commit([*files, *files], soon())
    assert home.bodies() == ["first", "second"]


def named(name: str, stored_ms: int = 0) -> DataFile:
    """Make a descriptor with a name only."""
    return DataFile(name=name, path="/x", day=0, rows=1, size_bytes=1, stored_ms=stored_ms)


def test_the_ledger_is_bounded_and_forgets_whole_commits_oldest_first() -> None:
    """It holds about forty full commits at any age of the table, in a bounded number of bytes."""
    properties: dict[str, str] = {}
    commits = [
        [named(f"{c}-{n}", stored_ms=10_000 * c + n + 1) for n in range(FILES_PER_COMMIT)]
        for c in range(60)
    ]
    for files in commits:
        properties |= Ledger(properties, []).properties_with(files)
    assert len(properties[LEDGER]) <= 13 * LENGTH
    ledger = Ledger(properties, [])
    known = [number for number, files in enumerate(commits) if not ledger.unseen(files)]
    assert known == list(range(60 - len(known), 60))
    assert len(known) >= 39
    forgotten = commits[known[0] - 1]
    assert ledger.unseen(forgotten) == forgotten
    assert properties[FORGOTTEN] == str(forgotten[-1].stored_ms)


def test_what_was_stored_after_all_that_is_forgotten_was_surely_never_committed() -> None:
    """For an older file the ledger alone cannot decide, because it may come a second time."""
    properties = {FORGOTTEN: "1000000"}
    older, newer = named("older", stored_ms=999_000), named("newer", stored_ms=1_003_000)
    unknown = named("of an older version")
    ledger = Ledger(properties, [])
    assert ledger.uncertain([older, newer, unknown]) == [older, unknown]
    assert Ledger({}, []).uncertain([older, unknown]) == []


def forgetful(home: Home) -> None:
    """Let the table's ledger forget everything up to now."""
    metadata = home.metadata()
    metadata["properties"] |= {LEDGER: "", FORGOTTEN: str(soon())}
    for snapshot in metadata["snapshots"]:
        snapshot["summary"].pop(NAMES, None)
    home.replace_metadata(metadata)


@pytest.mark.parametrize("more", [0, 3])
def test_a_file_the_ledger_has_forgotten_is_looked_up_in_the_table(
    tmp_path: Path, more: int
) -> None:
    """Its committer was frozen before clean-up, during thousands of other commits."""
    home = Home(tmp_path)
    old = home.store(bodies_at(0, "old"), "old")
    home.lean().commit(old, soon())
    for number in range(more):
        home.append(bodies_at(number, "other"), str(number))
    forgetful(home)
    new = home.store(bodies_at(0, "new"), "new")
    home.lean().commit([*old, *new], soon())
    assert home.bodies() == ["new", "old", *["other"] * more]


def test_what_cannot_be_looked_up_is_kept(tmp_path: Path) -> None:
    """A manifest that cannot be read may name the file, so a commit might double its rows."""
    home = Home(tmp_path)
    home.append(bodies_at(0, "first"), "first")
    forgetful(home)
    (manifest,) = (home.location / "metadata").glob("*-m0.avro")
    manifest.rename(tmp_path / "away.avro")
    files = home.store(bodies_at(0, "second"), "second")
    with pytest.raises(CommitError, match="1 files were committed long ago cannot be found out"):
        home.lean().commit(files, soon())
    (tmp_path / "away.avro").rename(manifest)
    home.lean().commit(files, soon())
    assert home.bodies() == ["first", "second"]


def test_a_commit_larger_than_the_ledger_is_remembered_whole() -> None:
    """After a crash exactly these files come again."""
    files = [named(str(number), stored_ms=5) for number in range(LENGTH + 100)]
    properties = Ledger({}, []).properties_with(files)
    assert Ledger(properties, []).unseen(files) == []


def test_names_only_a_snapshot_knows_are_taken_over() -> None:
    """A snapshot of a version without a ledger expires like any other."""
    old, new = named("old"), named("new")
    properties = Ledger({}, [{}, names_summary([old])]).properties_with([new])
    assert Ledger(properties, []).unseen([old, new, named("other")]) == [named("other")]


class Faulty(SqlitePointer):
    """A catalog that loses the answers to the first attempts, as a test defines."""

    def __init__(self, home: Home, *faults: Callable[[Callable[[], bool]], bool]) -> None:
        super().__init__(home.database, "otel", "logs")
        self._faults = list(faults)

    def swap(self, old: str, new: str, deadline_ms: int) -> bool:
        """See `Pointer.swap`."""

        def really() -> bool:
            return super(Faulty, self).swap(old, new, deadline_ms)

        return self._faults.pop(0)(really) if self._faults else really()


def commit_through(pointer: SqlitePointer, home: Home, files: list[DataFile]) -> None:
    """Commit through a catalog."""
    disk = LocalStorage(Path("/"))
    catalog = FileCatalog(pointer, disk)
    table = LeanTable(catalog, disk, COLUMNS, location=str(home.location), label="otel.logs")
    table.commit(files, soon())


def landed_but_lost(really: Callable[[], bool]) -> bool:
    """Commit, and lose the answer."""
    assert really()
    raise OutcomeUnknownError("the answer was lost")


def never_arrived(really: Callable[[], bool]) -> bool:
    """Lose the request."""
    del really
    raise OutcomeUnknownError("the request was lost")


@pytest.mark.parametrize("fault", [landed_but_lost, never_arrived])
def test_an_unknown_outcome_is_looked_up_before_it_is_tried_again(
    home: Home, fault: Callable[[Callable[[], bool]], bool]
) -> None:
    """In both cases the rows are there once, and can be read."""
    files = home.store(bodies_at(0, "second"), "second")
    commit_through(Faulty(home, fault), home, files)
    assert home.bodies() == ["first", "second"]


def test_an_attempt_that_lands_while_we_try_again_keeps_its_manifest(home: Home) -> None:
    """It causes the refusal of the second attempt, so its files must not be deleted."""
    late: list[Callable[[], bool]] = []

    def under_way(really: Callable[[], bool]) -> bool:
        late.append(really)
        raise OutcomeUnknownError("no answer yet")

    def after_the_late_one(really: Callable[[], bool]) -> bool:
        assert late[0]()
        return really()

    files = home.store(bodies_at(0, "second"), "second")
    commit_through(Faulty(home, under_way, after_the_late_one), home, files)
    assert home.bodies() == ["first", "second"]


def test_an_attempt_that_lands_after_a_refusal_keeps_its_manifest(home: Home) -> None:
    """The second attempt is forbidden for ever, but the first may still be under way."""
    late: list[Callable[[], bool]] = []

    def under_way(really: Callable[[], bool]) -> bool:
        late.append(really)
        raise OutcomeUnknownError("no answer yet")

    def forbidden(really: Callable[[], bool]) -> bool:
        del really
        raise CommitError("forbidden")

    files = home.store(bodies_at(0, "second"), "second")
    with pytest.raises(CommitError, match="forbidden"):
        commit_through(Faulty(home, under_way, forbidden), home, files)
    assert late[0]()
    assert home.bodies() == ["first", "second"]


def test_a_lost_race_leaves_no_files(home: Home) -> None:
    """Files of a refused attempt are referenced nowhere, and are deleted."""

    def lost(really: Callable[[], bool]) -> bool:
        home.append(bodies_at(0, "faster"), "faster")
        return really()

    files = home.store(bodies_at(0, "second"), "second")
    commit_through(Faulty(home, lost), home, files)
    assert home.bodies() == ["faster", "first", "second"]
    left = [path.name for path in (home.location / "metadata").iterdir()]
    assert sum(name.startswith("snap-") for name in left) == 3
    assert sum(name.endswith("-m0.avro") for name in left) == 3
    assert sum(name.endswith(".metadata.json") for name in left) == 4


def test_a_table_replaced_under_us_is_appended_to_as_it_is_now(home: Home) -> None:
    """It was dropped and created again, so the handle in use refers to another table."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "second"), "second"), soon())
    home.catalog().drop_table(("otel", "logs"))
    table.commit(home.store(bodies_at(0, "third"), "third"), soon())
    assert home.bodies() == ["third"]


def test_a_catalog_that_was_removed_begins_anew(home: Home) -> None:
    """No open handle may write into a deleted file."""
    table = home.lean()
    table.commit(home.store(bodies_at(0, "second"), "second"), soon())
    home.database.unlink()
    table.commit(home.store(bodies_at(0, "third"), "third"), soon())
    assert home.bodies() == ["third"]


@pytest.mark.timing
def test_a_catalog_somebody_locks_is_waited_for_until_the_deadline(home: Home) -> None:
    """Two seconds after SHUTDOWN Lambda kills us, so the wait ends before."""
    files = home.store(bodies_at(0, "second"), "second")
    with closing(sqlite3.connect(home.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        with pytest.raises(CommitError, match="is locked: another program"):
            home.lean().commit(files, soon(300))
        assert 0.2 < time.monotonic() - started < 1.5
        other.execute("ROLLBACK")
    home.lean().commit(files, soon())
    assert home.bodies() == ["first", "second"]


def test_a_catalog_that_is_none_is_an_error_with_its_name(home: Home) -> None:
    """The files are kept, and the message names the file."""
    files = home.store(bodies_at(0, "second"), "second")
    home.database.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(CommitError, match=r"catalog\.db cannot be used: file is not a database"):
        home.lean().commit(files, soon())


def test_metadata_that_cannot_be_written_is_an_error_and_leaves_nothing(home: Home) -> None:
    """The disk is full, or the folder is not writable. The next commit adds the files."""
    files = home.store(bodies_at(0, "second"), "second")
    folder = home.location / "metadata"
    folder.rename(home.location / "away")
    folder.write_text("a file where the folder should be")
    with pytest.raises(CommitError, match=r"commit of 1 files to otel\.logs failed: .*Not a dir"):
        home.lean().commit(files, soon())
    folder.unlink()
    (home.location / "away").rename(folder)
    home.lean().commit(files, soon())
    assert home.bodies() == ["first", "second"]


def test_a_descriptor_without_its_file_is_set_aside_and_blocks_nobody(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """A commit of it would break the table, and every later commit would read it again."""
    lake = Lake(LocalStorage(home.location), home.lean)
    for name in ("gone", "short", "kept"):
        lake.store(Batch(name.rjust(32, "0"), {"logs": bodies_at(0, name)}))
    data = home.location / "data"
    next(data.rglob("*gone.parquet")).rename(home.folder / "gone.parquet")
    next(data.rglob("*short.parquet")).write_bytes(b"half")
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 1
    assert home.bodies() == ["first", "kept"]
    assert inbox_of(home) == []
    for aside in ("missing", "rejected"):
        assert len(list((home.location / "inbox" / aside).iterdir())) == 1
    assert "2 entries of the inbox are not committed, for example" in capfd.readouterr().err


def test_a_file_that_came_back_is_committed(home: Home) -> None:
    """A user restored it, and moved its descriptor back."""
    lake = Lake(LocalStorage(home.location), home.lean)
    lake.store(Batch("a" * 32, {"logs": bodies_at(0, "restored")}))
    lake = Lake(LocalStorage(home.location), home.lean)  # another process: it has not just seen it
    file = next((home.location / "data").rglob("*a.parquet"))
    file.rename(home.folder / "away.parquet")
    assert lake.commit(soon()) == 0
    (home.folder / "away.parquet").rename(file)
    aside = next((home.location / "inbox" / "missing").iterdir())
    aside.rename(home.location / "inbox" / aside.name)
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 1
    assert home.bodies() == ["first", "restored"]


@pytest.mark.parametrize(
    "changes", [{"path": "/etc/passwd", "size_bytes": 1}, {"path": "s3://bucket/x"}]
)
def test_a_descriptor_of_a_file_elsewhere_is_set_aside(
    home: Home, changes: dict[str, object]
) -> None:
    """The file is not ours."""
    (file,) = home.store(bodies_at(0, "x"), "x")
    foreign = msgspec.structs.replace(file, **changes)
    entry = home.location / "inbox" / f"{file.stored_ms}-{file.name}.json"
    entry.write_bytes(msgspec.json.encode(foreign))
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 0
    assert home.bodies() == ["first"]


def test_a_descriptor_under_another_name_is_passed_over(home: Home) -> None:
    """It could not be deleted by its name, and would be read again for ever."""
    (file,) = home.store(bodies_at(0, "x"), "x")
    entry = home.location / "inbox" / "other.json"
    entry.write_bytes(msgspec.json.encode(file))
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 0
    assert inbox_of(home) == ["other.json"]


def test_a_descriptor_of_an_older_version_is_committed(home: Home) -> None:
    """It has no statistics, so readers have to open the file."""
    (file,) = home.store(bodies_at(0, "old"), "old")
    fields = {f: getattr(file, f) for f in ("name", "path", "day", "rows", "size_bytes")}
    entry = home.location / "inbox" / f"{0:013}-{file.name}.json"
    entry.write_bytes(msgspec.json.encode(fields))
    assert Lake(LocalStorage(home.location), home.lean).commit(soon()) == 1
    assert home.bodies() == ["first", "old"]


def test_the_descriptor_of_a_file_that_was_there_describes_that_file(home: Home) -> None:
    """The process was killed between both. The second attempt describes more, without effect."""
    home.store(bodies_at(0, "a", "b"), "x")
    (file,) = home.store(bodies_at(0, "c" * 100), "x")
    assert file.rows == 2
    assert file.statistics is not None
    assert file.statistics.lower_bounds[3] == b"a"
