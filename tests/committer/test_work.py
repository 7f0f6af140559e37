"""All that waits becomes visible, once; what cannot be is put out of the way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from committer_bench import ALL_LAKES, committer, store, table_of_others
from lake_bench import Home, bodies_at
from places import Folder, Place, soon
from pyiceberg.types import StringType
from tiers import tiered

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.committer.work import Done, commit_waiting
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.destinations.destination import Batch, DestinationError
from otlp2parquet_ext.lake.iceberg.commit import ledger
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"{number:02}" for number in range(25)]


@pytest.fixture(params=tiered(ALL_LAKES))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of table."""
    return ALL_LAKES[request.param](tmp_path, request)


@pytest.fixture
def disk(tmp_path: Path) -> Place:
    """The embedded one."""
    return ALL_LAKES["sqlite"](tmp_path, None)  # type: ignore[arg-type]


def test_what_waits_is_committed_in_few_snapshots(lake: Place) -> None:
    """The oldest first; the table is created on the way."""
    store(lake, *NAMES)
    told: list[int] = []
    done = commit_waiting(
        committer(lake), soon(), per_snapshot=10, progress=lambda d: told.append(d.files)
    )
    assert done == Done(files=25, rows=25, snapshots=3, empty=True)
    assert told == [10, 20, 25, 25]
    assert lake.bodies() == NAMES
    assert lake.inbox() == []


def test_a_crash_before_the_inbox_is_emptied_doubles_nothing(lake: Place) -> None:
    """The descriptors are still there, as if they had not been deleted."""
    store(lake, *NAMES)
    kept = {name: lake.waiting.read(name) for name in lake.inbox()}
    commit_waiting(committer(lake), soon())
    for name, data in kept.items():
        lake.waiting.write(name, data)
    assert commit_waiting(committer(lake), soon()).empty
    assert lake.bodies() == NAMES
    assert lake.inbox() == []


def test_a_file_that_was_written_anew_is_recognised_after_the_ledger_has_forgotten_it(
    tmp_path: Path,
) -> None:
    """Its descriptor came back after thousands of others; the table has it under another name."""
    lake = table_of_others(tmp_path, StringType())
    store(lake, "a")
    (entry,) = lake.inbox()
    kept = lake.objects.read(entry)
    assert commit_waiting(committer(lake), soon()).files == 1
    metadata = Home(tmp_path).metadata()
    metadata["properties"] |= {ledger.LEDGER: "", ledger.FORGOTTEN: str(soon())}
    metadata["snapshots"][-1]["summary"][ledger.NAMES] = ""
    Home(tmp_path).replace_metadata(metadata)
    lake.objects.write(entry, kept)
    assert commit_waiting(committer(lake), soon()).empty
    assert lake.bodies() == ["a"]


def test_racing_committers_lose_and_double_nothing(lake: Place) -> None:
    """Each with connections of its own, all over the same inbox."""
    store(lake, *NAMES)
    deadline_ms = soon(60_000)
    found: list[Done] = []

    def run() -> None:
        found.append(commit_waiting(committer(lake), deadline_ms, per_snapshot=4))

    racing = [threading.Thread(target=run) for _ in range(3)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert [done.problem for done in found] == [""] * 3
    assert lake.bodies() == NAMES
    assert lake.inbox() == []


def test_a_limit_is_kept(disk: Place) -> None:
    """For a first careful step into what has piled up."""
    store(disk, *NAMES)
    assert commit_waiting(committer(disk), soon(), limit=7, per_snapshot=5).files == 7
    assert len(disk.inbox()) == 18


def test_without_time_nothing_is_begun(disk: Place) -> None:
    """Waiting files stay in the inbox."""
    store(disk, "x")
    done = commit_waiting(committer(disk), soon(500))
    assert done == Done(problem="there was no time for more")
    assert len(disk.inbox()) == 1


def test_an_empty_inbox_is_fine(lake: Place) -> None:
    """Events may be repeated or late, and a new table has no files."""
    assert commit_waiting(committer(lake), soon()) == Done(empty=True)


def test_a_table_that_cannot_be_committed_to_is_a_problem_and_keeps_all(disk: Place) -> None:
    """It is logged. When the cause is gone, all files are committed."""
    store(disk, *NAMES)
    assert isinstance(disk.objects, Folder)
    catalog = disk.objects.root.parents[2] / "catalog.db"
    catalog.write_bytes(b"no database at all, but long enough to be one" * 100)
    done = commit_waiting(committer(disk), soon())
    assert "file is not a database" in done.problem
    assert len(disk.inbox()) == 25
    catalog.unlink()
    assert commit_waiting(committer(disk), soon()).files == 25


def old(place: Place, name: str) -> str:
    """Make the descriptor of a batch look as if it had waited for long; return its new name."""
    (entry,) = (entry for entry in place.inbox() if name in entry)
    file = msgspec.json.decode(place.waiting.read(entry), type=DataFile)
    place.waiting.remove(entry)
    aged = f"inbox/{1:013}-{file.name}.json"
    place.waiting.write(aged, msgspec.json.encode(msgspec.structs.replace(file, stored_ms=1)))
    return aged


def test_a_missing_or_shortened_file_is_set_aside_and_blocks_nobody(
    lake: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    """Committed, it would break the table for every reader."""
    store(lake, "gone", "short", "fine")
    for name in ("gone", "short"):
        old(lake, name)
        (data,) = (n for n in lake.objects.names("data/") if n.endswith(f"{name}.parquet"))
        lake.objects.remove(data)
        if name == "short":
            lake.objects.write(data, b"half")
    done = commit_waiting(committer(lake), soon())
    assert (done.files, done.aside, done.empty) == (1, 2, True)
    assert lake.bodies() == ["fine"]
    assert len(lake.waiting.names("inbox/missing/")) == 1
    assert len(lake.waiting.names("inbox/rejected/")) == 1
    assert "2 entries of the inbox are not committed, for example" in capfd.readouterr().err


def test_foreign_files_are_passed_over(disk: Place) -> None:
    """They are not ours to delete, and keep nothing from ending."""
    store(disk, "x")
    disk.objects.write("inbox/note.txt", b"hello")
    disk.objects.write("inbox/broken.json", b'{"name":')
    assert commit_waiting(committer(disk), soon()) == Done(1, 1, 1, empty=True)
    assert disk.inbox() == ["inbox/broken.json", "inbox/note.txt"]


def test_files_beside_a_separate_inbox_and_in_the_table_are_both_found(
    disk: Place, tmp_path: Path
) -> None:
    """Environments that may not write to the table store by the inbox, others in the table."""
    inbox = f"file://{tmp_path}/apart"
    store(disk, "beside", OTLP2PARQUET_INBOX=inbox)
    variables = {**disk.variables, "OTLP2PARQUET_INBOX": inbox}
    lake = choose(load(variables)[0], variables)
    lake.store(Batch("a" * 32, {"logs": bodies_at(0, "in the table")}))
    apart = Folder(tmp_path / "apart/otel/logs")
    assert len(apart.names("data/")) == 1
    assert len(disk.objects.names("data/")) == 1
    mine = Place(disk.kind, disk.url, apart, {"OTLP2PARQUET_INBOX": inbox})
    for name in ("beside", "a" * 32):
        old(mine, name)
    assert commit_waiting(committer(mine), soon()) == Done(2, 2, 1, empty=True)
    assert disk.bodies() == ["beside", "in the table"]
    assert mine.inbox() == []


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("file:///x", "plain files are visible as soon as they are stored"),
        ("s3://bucket/x", "plain files are visible as soon as they are stored"),
        ("", "there is no scheme ''"),
        ("arn:aws:s3tables:eu-central-1:123456789012:bucket/lake", "set OTLP2PARQUET_INBOX=s3://"),
    ],
)
def test_a_place_without_a_table_or_inbox_is_refused(destination: str, problem: str) -> None:
    """One line names the setting."""
    place = Place("x", destination, Folder.__new__(Folder))
    with pytest.raises(DestinationError, match=problem):
        committer(place)
