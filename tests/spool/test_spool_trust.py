"""The function shares the spool folder: files that it puts there must do no harm."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from otlp2parquet_ext.spool import (
    Appended,
    Damage,
    Frame,
    FrameKind,
    Spool,
    digest_of,
    directories,
    frames,
    read_frames,
)
from otlp2parquet_ext.spool.directories import reason_against
from otlp2parquet_ext.spool.frames import MAGIC, encode_header
from otlp2parquet_ext.spool.recovery import RECOVERED, SIZED, VISITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    """The mode does not depend on the umask of the process."""
    spool = Spool(tmp_path, 1 << 20, 0)
    spool.append(BODY, 1, 1)
    files = list(tmp_path.rglob("*.seg"))
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
    for folder in (files[0].parent, files[0].parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (files[0].parent / "lock").stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_never_taken_for_a_segment(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever, and a link may lead to foreign files."""
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
    """The name of our next segment can be guessed. Telemetry stays in memory then."""
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


@pytest.mark.parametrize("planted", ["a file", "a link to nowhere", "a link", "mode 0777"])
def test_a_root_that_is_not_ours_alone_is_not_used_and_one_line_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], planted: str
) -> None:
    """Everybody knows the name. The spool uses another one, and the next process finds it."""
    place, elsewhere = tmp_path / "otlp2parquet_ext", tmp_path / "elsewhere"
    elsewhere.mkdir()
    reason = plant(place, planted, elsewhere)
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    assert spool.recover() == 0
    for number in range(3):
        spool.append(b"%d" % number, 1, 1)
        spool.seal()
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"does not trust {place}: {reason}" in said[0]
    assert f"telemetry is kept in {place}-2" in said[0]
    assert all(segment.on_disk for segment in spool.sealed)
    assert list(elsewhere.iterdir()) == []
    die(spool)
    following = Spool(tmp_path, 1 << 20, 1 << 20)
    assert following.recover() == 3


def plant(place: Path, what: str, elsewhere: Path) -> str:
    """Put something in the place of our root; return what is wrong with it."""
    if what == "a file":
        place.write_text("of the function")
        return "it is no directory"
    if what == "mode 0777":
        place.mkdir()
        place.chmod(0o777)
        return "its mode is 0777: other users may write into it"
    place.symlink_to(elsewhere if what == "a link" else elsewhere / "nowhere")
    return "it is a link"


def die(spool: Spool) -> None:
    """Release the locks, as the kernel does when a process ends."""
    for descriptor in spool._folders._locks.values():
        os.close(descriptor)


def test_where_every_root_is_somebody_elses_telemetry_stays_in_memory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The line also states the consequence."""
    for suffix in ("", "-2", "-3"):
        (tmp_path / f"otlp2parquet_ext{suffix}").symlink_to(tmp_path / "nowhere")
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    assert spool.recover() == 0
    for number in range(3):
        spool.append(b"%d" % number, 1, 1)
    assert spool.open is not None
    assert not spool.open.on_disk
    (line,) = capfd.readouterr().err.splitlines()
    assert "telemetry is kept in memory and ends with this process" in line


def test_a_folder_of_another_user_or_open_to_all_is_not_trusted() -> None:
    """The check uses the descriptor, because a path may be replaced in between."""
    mine = (0, 0, 0, 0, 1_000, 0, 0, 0, 0, 0)
    modes = {0o40700: None, 0o40755: None, 0o40770: "0770", 0o41777: "1777", 0o100700: "directory"}
    for mode, word in modes.items():
        reason = reason_against(os.stat_result((mode, *mine[1:])), 1_000)
        assert (reason is None) if word is None else word in str(reason)
    assert "belongs to user 1000" in str(reason_against(os.stat_result((0o40700, *mine[1:])), 0))


def test_a_linked_folder_of_a_process_is_neither_read_nor_written(tmp_path: Path) -> None:
    """The link leads to a foreign folder.

    The extension would make a lock there and remove segments.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "00000001.seg").write_bytes(framed(BODY))
    root = tmp_path / "otlp2parquet_ext"
    root.mkdir(mode=0o700)
    (root / "1-0").symlink_to(elsewhere)
    (root / f"{os.getpid()}-0").symlink_to(elsewhere)
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    assert spool.recover() == 0
    spool.append(b"mine", 1, 1)
    spool.seal()
    assert spool.sealed[0].on_disk
    assert [path.name for path in elsewhere.iterdir()] == ["00000001.seg"]


def test_our_own_folder_swapped_for_a_link_is_given_up(tmp_path: Path) -> None:
    """The swap comes between two segments.

    The extension writes and removes nothing through the link.
    """
    spool = Spool(tmp_path, 1 << 20, 1 << 20)
    spool.append(BODY, 1, 1)
    first = spool.seal()
    assert first is not None
    assert first.path is not None
    folder, elsewhere = first.path.parent, tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.iterdir())
    with first.attempt():
        assert sorted(path.name for path in elsewhere.iterdir()) == before
    spool.append(b"later", 1, 1)
    spool.seal()
    spool.discard(first)
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert spool.sealed[0].path is not None
    assert spool.sealed[0].path.parent != folder


def framed(body: bytes) -> bytes:
    """Encode a body as a segment does."""
    return encode_header(FrameKind.DELIVERY, 1, body, digest_of(body)) + body


def test_a_segment_with_holes_is_not_read_to_its_apparent_end(tmp_path: Path) -> None:
    """One `truncate` makes a terabyte. Bytes beyond our own limit are damage, and are counted."""
    folder = tmp_path / "otlp2parquet_ext" / "1-0"
    folder.mkdir(parents=True)
    with (folder / "00000001.seg").open("wb") as file:
        file.write(framed(BODY))
        file.truncate(1 << 40)
    spool = Spool(tmp_path, 1 << 20, 0, segment_bytes=4_096, body_bytes=4_096)
    assert spool.recover() == 1
    segment = spool.sealed[0]
    data = segment.read()
    assert len(data) == segment.size_bytes < 2 << 20
    assert len(data) + segment.beyond_bytes == 1 << 40
    assert [p.payload for p in read_frames(data) if isinstance(p, Frame)] == [BODY]
    # Holes take no room, so new bodies must still fit.
    assert spool.append(b"x" * 500_000, 1, 1) == Appended(duplicate=False)
    assert spool.append(BODY, 1, 1) == Appended(duplicate=True)


def test_thousands_of_planted_segments_are_taken_over_a_part_at_a_time(tmp_path: Path) -> None:
    """Each needs a descriptor, and Lambda allows 1 024. All of them may be in one folder."""
    folder = tmp_path / "otlp2parquet_ext" / "1-0"
    folder.mkdir(parents=True)
    for number in range(3_000):
        (folder / f"{number:08d}.seg").write_bytes(framed(b"%d" % number))
    spool = Spool(tmp_path, 1 << 30, 0)
    before, found = open_descriptors(), set()
    while spool.recover():
        assert open_descriptors() - before <= RECOVERED + 2
        for segment in list(spool.sealed):
            found |= {p.payload for p in read_frames(segment.read()) if isinstance(p, Frame)}
            spool.discard(segment)
    assert found == {b"%d" % number for number in range(3_000)}
    assert not folder.exists()
    assert open_descriptors() == before


def open_descriptors() -> int:
    """Count what this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all we need


@pytest.mark.parametrize("content", [[], ["data"]], ids=["empty", "a file of the function's"])
def test_thousands_of_planted_folders_cost_a_bounded_part_of_a_second_each_round(
    tmp_path: Path, content: list[str]
) -> None:
    """The test counts system calls, because their time depends on the machine."""
    root = tmp_path / "otlp2parquet_ext"
    root.mkdir(mode=0o700)
    for number in range(4_000):
        (root / f"{number}-0").mkdir(mode=0o700)
        for name in content:
            (root / f"{number}-0" / name).touch()
    spool = Spool(tmp_path, 1 << 20, 0)
    opened = count_opens(spool.recover)
    assert opened <= 6 * (VISITED + SIZED) + 10
    rounds = 1
    while spool.left_more:
        assert count_opens(spool.recover) <= 6 * (VISITED + SIZED) + 10
        rounds += 1
    assert rounds == 4_000 // VISITED


def count_opens(work: Callable[[], object]) -> int:
    """Return how many files and directories the call opens."""
    opened = 0
    real = os.open

    def counting(*arguments: Any, **named: Any) -> int:
        nonlocal opened
        opened += 1
        return real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", counting)
        work()
    return opened


def test_more_folders_than_are_looked_at_are_told_of_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segments in the others stay there."""
    monkeypatch.setattr(directories, "LISTED", 20)
    root = tmp_path / "otlp2parquet_ext"
    for number in range(30):
        folder = root / f"{number}-0"
        folder.mkdir(parents=True)
        (folder / "00000001.seg").write_bytes(framed(b"%d" % number))
    spool = Spool(tmp_path, 1 << 20, 0)
    assert spool.recover() == 20
    assert spool.recover() == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert "more than 20 folders" in line


def test_a_segment_of_nothing_but_beginnings_of_frames_is_given_up_in_time() -> None:
    """Each beginning has four bytes: searching behind every one took a second a megabyte."""
    made = MAGIC * (1 << 20)
    looked = 0
    real = frames._header_at

    def counting(data: bytes, position: int) -> tuple[FrameKind, int, int, bytes] | None:
        nonlocal looked
        looked += 1
        return real(data, position)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "_header_at", counting)
        parts = list(read_frames(framed(b"before") + made))
    assert [type(part) for part in parts] == [Frame, Damage]
    assert looked < len(made) / 20
