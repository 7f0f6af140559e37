"""The spool folder is shared with the function: what it puts there does us no harm."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b'[{"type":"function","record":"hello"}]'


@pytest.fixture(params=[0o022, 0o000], ids=["umask 022", "no umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run under a umask."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_nobody_else_can_read_a_segment_or_list_its_folder(tmp_path: Path) -> None:
    """Whatever umask the process was started with."""
    spool = Spool(tmp_path, 1 << 20, 0)
    spool.append(BODY, 1, 1)
    files = list(tmp_path.rglob("*.seg"))
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
    for folder in (files[0].parent, files[0].parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (files[0].parent / "lock").stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_never_taken_for_a_segment(tmp_path: Path) -> None:
    """A pipe would be waited for, for ever, and a link leads where we have no business."""
    planted = tmp_path / "otlp2parquet_ext" / "1-0"
    planted.mkdir(parents=True)
    (tmp_path / "private").write_text("of the function")
    os.mkfifo(planted / "00000001.seg")
    (planted / "00000002.seg").mkdir()
    (planted / "00000003.seg").symlink_to(tmp_path / "private")
    (planted / "00000004.seg").symlink_to(tmp_path / "nowhere")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all we need
    spool = Spool(tmp_path, 1 << 20, 0)
    assert spool.recover() == 0
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    assert (tmp_path / "private").read_text() == "of the function"


def test_a_segment_is_not_written_through_a_link(tmp_path: Path) -> None:
    """The name of our next segment can be guessed; telemetry then stays in memory."""
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    spool.append(BODY, 1, 1)
    (folder,) = {file.parent for file in tmp_path.rglob("*.seg")}
    victim = tmp_path / "victim"
    victim.write_text("of the function")
    (folder / "00000002.seg").symlink_to(victim)
    spool.seal()
    spool.append(BODY + b" ", 2, 1)
    assert spool.open is not None
    assert not spool.open.on_disk
    assert victim.read_text() == "of the function"


@pytest.mark.parametrize("link", [False, True], ids=["a file", "a link to nowhere"])
def test_what_lies_where_our_folder_should_be_does_not_stop_us(
    tmp_path: Path, *, link: bool
) -> None:
    """Telemetry stays in memory."""
    place = tmp_path / "otlp2parquet_ext"
    if link:
        place.symlink_to(tmp_path / "nowhere" / "at all")
    else:
        place.write_text("of the function")
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    assert spool.recover() == 0
    spool.append(BODY, 1, 1)
    assert spool.open is not None
    assert not spool.open.on_disk
