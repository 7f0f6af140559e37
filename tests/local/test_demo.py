"""`otlp2parquet-ext demo` removes what a demo wrote, and nothing else."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.tools import demo_lake
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tree(folder: Path) -> dict[str, str]:
    """Return every path below a folder with a digest of its bytes, or the target of a link."""
    return {
        str(path.relative_to(folder)): (
            f"link to {path.readlink()}"
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def finished(folder: Path) -> None:
    """Leave what a finished demo leaves, without its minute of work."""
    demo_lake.claim(folder)
    (folder / "warehouse/otel/logs").mkdir(parents=True)
    (folder / "warehouse/otel/logs/1.parquet").write_bytes(b"PAR1")
    (folder / "catalog.db").write_bytes(b"SQLite")
    (folder / "report.html").write_text("a report")
    demo_lake.finish(folder)


def no_marker(folder: Path) -> None:
    """A lake of the user's, of the README's layout."""
    (folder / demo_lake.MARKER).unlink()


def other_marker(folder: Path) -> None:
    """A file of the marker's name that no demo wrote."""
    (folder / demo_lake.MARKER).write_text("unfinished\n")


def linked_marker(folder: Path) -> None:
    """A marker elsewhere proves nothing of this folder."""
    (folder / demo_lake.MARKER).rename(folder / "elsewhere")
    (folder / demo_lake.MARKER).symlink_to("elsewhere")


def new_commit(folder: Path) -> None:
    """The user's function has written into the demo's lake."""
    (folder / "catalog.db").write_bytes(b"SQLit2")


def new_file(folder: Path) -> None:
    """A file of the user is in the warehouse."""
    (folder / "warehouse/otel/mine").touch()


def new_folder(folder: Path) -> None:
    """Even an empty folder may be the user's."""
    (folder / "warehouse/mine").mkdir()


def edited_report(folder: Path) -> None:
    """The user has made notes in it."""
    (folder / "report.html").write_text("a report, and notes")


def linked_warehouse(folder: Path) -> None:
    """The demo writes no links."""
    (folder / "warehouse").rename(folder / "moved")
    (folder / "warehouse").symlink_to("moved")


@pytest.mark.parametrize(
    "change",
    [
        no_marker,
        other_marker,
        linked_marker,
        new_commit,
        new_file,
        new_folder,
        edited_report,
        linked_warehouse,
    ],
)
def test_a_lake_that_the_marker_does_not_prove_is_refused(
    change: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, one line, and every byte as before."""
    finished(tmp_path)
    change(tmp_path)
    before = tree(tmp_path)
    assert main(["demo", "--lake", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert f"--lake {str(tmp_path)!r}: " in said.err
    assert "nothing was removed" in said.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["catalog.db", "warehouse", "report.html"])
def test_each_name_alone_is_refused(name: str, tmp_path: Path) -> None:
    """A dangling link, too: the demo would write through it."""
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert main(["demo", "--lake", str(tmp_path)]) == 2
    assert tree(tmp_path) == {name: f"link to {tmp_path}/nowhere"}


def test_what_a_demo_wrote_is_removed_and_its_neighbours_stay(tmp_path: Path) -> None:
    """The folder may hold more than the demo."""
    (tmp_path / "notes.txt").write_text("mine")
    finished(tmp_path)
    demo_lake.claim(tmp_path)
    assert set(tree(tmp_path)) == {"notes.txt", demo_lake.MARKER}


def test_an_interrupted_demo_is_started_afresh(tmp_path: Path) -> None:
    """Wherever it was: the marker is there before the first file."""
    demo_lake.claim(tmp_path)
    (tmp_path / "warehouse").mkdir()
    demo_lake.claim(tmp_path)
    assert set(tree(tmp_path)) == {demo_lake.MARKER}


def test_links_within_the_warehouse_are_removed_and_not_followed(tmp_path: Path) -> None:
    """An interrupted demo's warehouse may hold anything."""
    lake, mine = tmp_path / "lake", tmp_path / "mine"
    mine.mkdir()
    (mine / "file").touch()
    demo_lake.claim(lake)
    (lake / "warehouse").mkdir()
    (lake / "warehouse/link").symlink_to(mine)
    demo_lake.claim(lake)
    assert set(tree(lake)) == {demo_lake.MARKER}
    assert (mine / "file").exists()


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, as for every option that cannot be meant."""
    (tmp_path / "file").touch()
    assert main(["demo", "--lake", str(tmp_path / "file" / "lake")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.e2e
def test_a_demo_stopped_by_ctrl_c_is_finished_by_the_next(tmp_path: Path) -> None:
    """Status 130 and one line; then a whole demo, twice, in the same folder."""
    program = "import sys; from otlp2parquet_ext.tools.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "demo", "--lake", str(tmp_path)]
    first = subprocess.Popen(
        [*command, "--invoke", "10000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with first:
        assert first.stdout
        first.stdout.readline()
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=60)
    assert (first.returncode, said.count("\n")) == (130, 1)
    for _ in range(2):
        done = subprocess.run(
            [*command, "--invoke", "2"], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Rows by event type" in done.stdout
