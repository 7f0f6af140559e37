"""The committer as a command: it reports its work, and the rest of the inbox."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from committer_bench import store
from places import Folder, Place, sqlite

from otlp2parquet_ext.functions.committer.progress import Progress, bar
from otlp2parquet_ext.functions.committer.work import Done
from otlp2parquet_ext.lake.iceberg.catalogs import sqlite_catalog
from otlp2parquet_ext.lake.iceberg.upkeep.merge import FEWEST_SMALL
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty table."""
    return sqlite(tmp_path)


def test_what_waited_is_committed_and_told_of(
    lake: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints files, rows, snapshots and seconds, without progress if there is no terminal."""
    store(lake, "a", "b", "c")
    assert main(["commit", lake.url, "--per-snapshot", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 files of 3 rows are in the table, in 2 snapshots, after ")
    assert err == ""
    assert lake.bodies() == ["a", "b", "c"]
    assert main(["commit", lake.url]) == 0
    assert capsys.readouterr().out == "nothing waited in the inbox\n"


@pytest.mark.parametrize(("options", "left"), [(["--limit", "2"], 1), (["--until-empty"], 0)])
def test_how_much_is_committed_can_be_said(lake: Place, options: list[str], left: int) -> None:
    """Options select a careful first step, or everything, even files that arrive meanwhile."""
    store(lake, "a", "b", "c")
    assert main(["commit", lake.url, *options]) == 0
    assert len(lake.inbox()) == left


def test_what_was_set_aside_is_told_of(lake: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A descriptor of the year 1970 has lost its file."""
    lake.objects.write(
        "inbox/0000000000001-x.json",
        b'{"name":"x","path":"/nowhere","day":1,"rows":1,"size_bytes":1,"stored_ms":1}',
    )
    assert main(["commit", lake.url]) == 3
    assert capsys.readouterr().out == "nothing waited in the inbox; 1 descriptors were set aside\n"
    assert main(["commit", lake.url]) == 0


def test_a_problem_is_told_of_and_is_the_exit_status(
    lake: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cron sends a mail."""
    store(lake, "a")
    assert main(["commit", lake.url, "--seconds", "0"]) == 1
    assert "there was no time for more" in capsys.readouterr().err
    assert main(["commit", "file:///x"]) == 1
    assert "only Iceberg tables are committed to" in capsys.readouterr().err


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_catalog_behind_the_lock_of_another_is_named_and_the_command_ends(
    lake: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """It has an hour for its work, and a forgotten transaction may stay open for longer."""
    monkeypatch.setattr(sqlite_catalog, "LOCK_WAIT_S", 0.05)
    store(lake, "a")
    assert main(["commit", lake.url]) == 0
    store(lake, "b")
    capsys.readouterr()
    database = lake.url.removeprefix("sqlite://").partition("?")[0]
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(f"BEGIN {lock}")
        assert main(["commit", lake.url]) == 1
        out, err = capsys.readouterr()
        assert f"the catalog {database} is locked: another program has held a transaction" in err
        assert out == ""
    assert main(["commit", lake.url]) == 0
    assert lake.bodies() == ["a", "b"]


def test_a_dry_run_changes_nothing(lake: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts, and prints the plan of the care."""
    store(lake, "a", "b")
    before = lake.objects.names()
    assert main(["commit", lake.url, "--dry-run", "--maintain", "--sweep"]) == 0
    assert lake.objects.names() == before
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "2 files wait in the inbox"
    assert out[-1] == "sweep: there is no table"


def test_the_care_of_the_table_is_told_of(lake: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each part."""
    for number in range(FEWEST_SMALL):
        store(lake, f"{number:02}")
        assert main(["commit", lake.url]) == 0
    lake.objects.write("metadata/snap-lost.avro", b"waste")
    lake.objects.write("metadata/note.txt", b"hello")
    capsys.readouterr()
    options = ["--maintain", "--sweep", "--older-than-days", "0"]
    assert main(["commit", lake.url, *options]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1:3] == [
        f"manifests: {FEWEST_SMALL} of {FEWEST_SMALL} merged into 1",
        "expired: 0 manifests and 0 files deleted, 1 notes wait (nothing is due)",
    ]
    assert out[3].startswith("sweep: of ")
    assert " 1 of 0.0 MB deleted and 0 put into the inbox; 0 files of rows and 1 of " in out[3]
    assert isinstance(lake.objects, Folder)
    assert out[4].endswith("metadata/note.txt")


def test_care_that_fails_is_the_exit_status(
    lake: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """The committed files are still reported."""
    store(lake, "a")
    assert main(["commit", lake.url]) == 0
    (listing,) = lake.objects.names("metadata/snap-")
    lake.objects.write(listing, b"no Avro")
    assert main(["commit", lake.url, "--maintain"]) == 1
    assert "merging manifests ended early" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "total", "seconds", "drawn"),
    [
        (0, 0, 0.0, "[" + "." * 30 + "] 0 of 1 files, 0/s"),
        (0, 10, 1.0, "[" + "." * 30 + "] 0 of 10 files, 0/s"),
        (500, 1_000, 10.0, "[" + "#" * 15 + "." * 15 + "] 500 of 1,000 files, 50/s, 10 s left"),
        (12, 10, 1.0, "[" + "#" * 30 + "] 12 of 12 files, 12/s"),
    ],
)
def test_the_bar_says_how_far_how_fast_and_how_long(
    files: int, total: int, seconds: float, drawn: str
) -> None:
    """Also when more arrives than there was."""
    assert bar(files, total, seconds) == drawn


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """See `TextIO`."""
        return True


def test_the_bar_is_drawn_on_a_terminal_only_and_leaves_nothing() -> None:
    """In a log it would be noise."""
    terminal, log = Terminal(), io.StringIO()
    for out in (terminal, log):
        progress = Progress(out, 10)
        progress.show(Done(files=5, snapshots=1))
        progress.end()
    assert "5 of 10 files" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert log.getvalue() == ""
