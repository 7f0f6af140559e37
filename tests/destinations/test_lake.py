"""The lake's two ways to become visible: what is left out, what is left behind, who takes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import duckdb
import pytest
from lake_bench import Home, bodies_at, soon
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, LongType, NestedField

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.committer.opening import TableLocation
from otlp2parquet_ext.functions.committer.work import commit_waiting
from otlp2parquet_ext.lake.destinations.destination import Batch, BusyError, DestinationError
from otlp2parquet_ext.lake.destinations.lake import (
    CONTENDED_MS,
    FILES_PER_COMMIT,
    INBOX_LOOK_LEAST_MS,
    UNCHECKED_MS,
    Lake,
)
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox, NoInbox
from otlp2parquet_ext.lake.iceberg.model.errors import ConflictError
from otlp2parquet_ext.lake.iceberg.upkeep.care import TYPES
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty folder."""
    return Home(tmp_path)


def lake(home: Home, table: CommitTable | None = None, inbox: Inbox | None = None) -> Lake:
    """Open the table's lake as one environment does."""
    return Lake(LocalStorage(home.location), lambda: table or home.lean(), inbox)


def batch(name: str) -> Batch:
    """Make a batch of one row."""
    letters = "".join(letter for letter in name if letter.isalnum())
    return Batch(letters.rjust(32, "0"), {"logs": bodies_at(0, name)})


def waiting_in(home: Home) -> list[str]:
    """List the inbox."""
    return [path.name for path in (home.location / "inbox").glob("*.json")]


class Contended:
    """A table in which another writer always commits first, until the test ends that."""

    def __init__(self, home: Home) -> None:
        self._table = home.lean()
        self.contended = True

    def commit(self, files: Sequence[DataFile], deadline_ms: int) -> None:
        """Lose, or commit."""
        if self.contended:
            raise ConflictError("lost 1 times against other writers")
        self._table.commit(files, deadline_ms)

    def location(self, deadline_ms: int) -> str:
        """See `CommitTable`."""
        return self._table.location(deadline_ms)

    def metadata_location(self, deadline_ms: int) -> str | None:
        """See `CommitTable`."""
        return self._table.metadata_location(deadline_ms)

    def close(self) -> None:
        """See `CommitTable`."""


def test_a_commit_that_follows_saves_the_descriptor(home: Home) -> None:
    """Two requests of seven; the caller keeps the batch until the commit has landed."""
    environment = lake(home)
    assert not environment.store(batch("a"), commit_follows=True).safe
    assert waiting_in(home) == []
    assert environment.commit(soon()) == 1
    assert home.bodies() == ["a"]
    assert waiting_in(home) == []


def test_a_batch_stored_for_later_is_safe_at_once(home: Home) -> None:
    """The next commit finds its descriptor."""
    assert lake(home).store(batch("a")).safe
    assert len(waiting_in(home)) == 1


def test_what_a_commit_could_not_make_visible_is_described(home: Home) -> None:
    """After the first conflict its descriptor is in the inbox, for any later commit."""
    table = Contended(home)
    environment = lake(home, table)
    environment.store(batch("a"), commit_follows=True)
    with pytest.raises(BusyError, match="lost 1 times"):
        environment.commit(soon())
    environment.describe()
    assert len(waiting_in(home)) == 1
    assert lake(home).commit(soon()) == 1
    table.contended = False
    environment.commit(soon())
    assert home.bodies() == ["a"]
    assert waiting_in(home) == []


def test_the_winner_of_a_race_takes_what_the_losers_left(home: Home) -> None:
    """So that contention ends with one commit instead of one for each."""
    table = Contended(home)
    loser = lake(home, table)
    assert loser.commit(soon()) == 0
    loser.store(batch("mine"), commit_follows=True)
    with pytest.raises(BusyError):
        loser.commit(soon())
    lake(home).store(batch("another's"))
    table.contended = False
    loser._looked_ms -= CONTENDED_MS  # not after every conflict: all losers would read everything
    assert loser.commit(soon()) == 2
    assert home.bodies() == ["another's", "mine"]


def test_the_inbox_is_looked_into_now_and_then_only(home: Home) -> None:
    """Every look is a request; a thousand environments would pay a thousand."""
    environment = lake(home)
    assert environment.commit(soon()) == 0
    lake(home).store(batch("left behind"))
    environment.store(batch("own"), commit_follows=True)
    assert environment.commit(soon()) == 1
    assert len(waiting_in(home)) == 1
    assert lake(home).commit(soon()) == 1


def test_a_commit_in_a_hurry_takes_its_own_only(home: Home) -> None:
    """At shutdown there is no time for what others left."""
    lake(home).store(batch("left behind"))
    environment = lake(home)
    environment.store(batch("own"))
    assert environment.commit(time.time_ns() // 1_000_000 + INBOX_LOOK_LEAST_MS - 500) == 1
    assert home.bodies() == ["own"]


def test_an_environment_that_does_not_commit_leaves_everything_to_a_committer(home: Home) -> None:
    """Two requests a flush, no catalog, no permission for one."""

    def no_catalog() -> CommitTable:
        raise AssertionError("the catalog was opened")

    environment = Lake(LocalStorage(home.location), no_catalog, direct=False)
    environment.warm_up()
    assert environment.store(batch("a"), commit_follows=True).safe
    assert environment.commit(soon()) == 0
    assert lake(home).commit(soon()) == 1


def test_without_an_inbox_a_batch_is_only_safe_in_the_table(home: Home) -> None:
    """S3 Tables can neither list nor delete objects; the error names the setting."""
    storage = LocalStorage(home.location)
    environment = lake(home, inbox=NoInbox(storage))
    assert not environment.store(batch("a")).safe
    with pytest.raises(DestinationError, match="set OTLP2PARQUET_INBOX=s3://bucket/prefix"):
        environment.describe()
    assert environment.commit(soon()) == 1
    assert home.bodies() == ["a"]


def test_an_inbox_may_lie_elsewhere(home: Home) -> None:
    """Some roles may write files but not list the table's location; S3 Tables cannot list."""
    files, inbox = LocalStorage(home.location), LocalStorage(home.folder / "inbox of all")
    lake(home, inbox=Inbox(inbox, files)).store(batch("a"))
    assert waiting_in(home) == []
    assert lake(home, inbox=Inbox(inbox, files)).commit(soon()) == 1
    assert home.bodies() == ["a"]


def test_a_file_of_ours_that_waited_long_is_looked_at_before_it_is_committed(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Hours of an outage are long enough for a lifecycle rule, and a missing file breaks scans."""
    environment = lake(home)
    for name in ("gone", "there"):
        environment.store(batch(name), commit_follows=True)
    next(home.location.rglob("*gone.parquet")).unlink()
    later_ns = time.time_ns() + (UNCHECKED_MS + 1_000) * 1_000_000
    monkeypatch.setattr("otlp2parquet_ext.lake.destinations.lake.time.time_ns", lambda: later_ns)
    assert environment.commit(later_ns // 1_000_000 + 20_000) == 1
    assert home.bodies() == ["there"]
    assert "is not there; they are in inbox/missing" in capfd.readouterr().err


def test_what_an_environment_remembers_of_an_outage_is_bounded(home: Home) -> None:
    """The inbox holds what memory does not; nothing is forgotten."""
    environment = lake(home)
    count = FILES_PER_COMMIT + 5
    for number in range(count):
        environment.store(batch(str(number)))
    assert len(environment._waiting) == FILES_PER_COMMIT
    assert environment.commit(soon()) == count
    assert len(home.bodies()) == count
    assert waiting_in(home) == []


def foreign_table(home: Home, *fields: NestedField) -> None:
    """Let a user create the table before us, with PyIceberg."""
    catalog = home.catalog()
    catalog.create_namespace("otel")
    catalog.create_table(("otel", "logs"), Schema(*fields), location=str(home.location))


def with_own_ids(home: Home, **types: IcebergType) -> None:
    """Make a table of our columns in another order, so that every id means something else."""
    fields = [
        NestedField(
            number, column.name.lower(), types.get(column.name, TYPES[column.type]), required=False
        )
        for number, column in enumerate(reversed(COLUMNS), 1)
    ]
    foreign_table(home, *fields)


def test_a_table_with_ids_of_its_own_gets_files_that_carry_them(home: Home) -> None:
    """The first file is rewritten, and later ones have the table's ids at once."""
    with_own_ids(home)
    environment = lake(home)
    for name in ("first", "second"):
        environment.store(batch(name), commit_follows=True)
        environment.commit(soon())
    assert home.rows("SELECT body, servicename FROM logs ORDER BY 1") == [
        ("first", "orders"),
        ("second", "orders"),
    ]
    files = sorted(path.stem for path in home.location.rglob("*.parquet"))
    assert [name.count("-") for name in files] == [0, 1, 0]


def test_a_committer_writes_anew_what_environments_left_for_such_a_table(home: Home) -> None:
    """They never look at the table."""
    with_own_ids(home)
    Lake(LocalStorage(home.location), home.lean, direct=False).store(batch("a"))
    place = TableLocation(load({})[0], Inbox(LocalStorage(home.location)), home.lean, 1)
    done = commit_waiting(place, soon())
    assert (done.files, done.problem) == (1, "")
    assert home.rows("SELECT body, servicename FROM logs") == [("a", "orders")]


def test_a_replay_of_a_file_written_for_such_a_table_is_described_as_it_is(home: Home) -> None:
    """Its ids are the table's, though this process has not seen the table yet."""
    with_own_ids(home)
    environment = lake(home)
    environment.store(batch("a"), commit_follows=True)
    environment.commit(soon())
    environment.store(batch("b"))
    replaying = lake(home)
    replaying.store(batch("b"), commit_follows=True)
    replaying.commit(soon())
    assert home.rows("SELECT body FROM logs ORDER BY 1") == [("a",), ("b",)]


def test_rows_no_column_takes_are_laid_beside_the_table(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """The table's `body` is a number. No row is lost, and one line names their place."""
    with_own_ids(home, Body=LongType())
    environment = lake(home)
    environment.store(batch("a"), commit_follows=True)
    environment.commit(soon())
    said = capfd.readouterr().err
    assert "1 files lie beside it" in said
    (beside,) = home.location.glob("beside/**/*.parquet")
    assert duckdb.read_parquet(str(beside)).project("Body").fetchall() == [("a",)]
    assert waiting_in(home) == []
    assert home.rows("SELECT count(*) FROM logs") == [(0,)]
