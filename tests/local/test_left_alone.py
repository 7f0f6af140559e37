"""Commands do not touch foreign files; the next check removes the file of an interrupted one."""

from __future__ import annotations

from pathlib import Path

import pytest

from otlp2parquet_ext.lake.checking.files import PROBE, Probe
from otlp2parquet_ext.tools.cli import INTERRUPTED, main

HERE = Path(__file__).parent


def files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_file_of_the_name_that_check_tries_is_not_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of `check` are empty."""
    (tmp_path / PROBE).write_text("mine")
    assert main(["check", f"file://{tmp_path}"]) == 1
    assert "is not empty, so no check wrote it: it was not deleted" in capsys.readouterr().out
    assert files(tmp_path) == {PROBE: b"mine"}


@pytest.mark.e2e
def test_local_leaves_alone_what_lies_in_its_tmp(tmp_path: Path) -> None:
    """The spool's folder may have the name of a checkout; links in it are not followed."""
    mine, tmp = tmp_path / "mine", tmp_path / "tmp"
    for folder in (mine, tmp / "otlp2parquet/1-0", tmp / "otlp2parquet/otlp2parquet_ext/1-0"):
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("mine")
    (tmp / "otlp2parquet/link").symlink_to(mine)
    (tmp / "otlp2parquet/otlp2parquet_ext/2-0").symlink_to(mine)
    before = files(tmp_path)
    words = ["--handler", "local_handlers.echo", "--code", str(HERE), "--unlimited", "--quiet"]
    words += ["--memory", "1769", "--tmp", str(tmp), "--destination", f"file://{tmp_path}/lake"]
    assert main(["local", *words]) == 0
    after = files(tmp_path)
    assert {name: after.get(name) for name in before} == before


def test_what_an_interrupted_check_left_is_gone_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that it tries has one name for ever."""
    (tmp_path / "mine.parquet").write_text("mine")
    url = f"file://{tmp_path}"

    def interrupted(_: Probe) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Probe, "delete", interrupted)
        assert main(["check", url]) == INTERRUPTED
    assert len(files(tmp_path)) == 2
    main(["check", url])
    assert files(tmp_path) == {"mine.parquet": b"mine"}
