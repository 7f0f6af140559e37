"""The spool keeps acknowledged bodies, whatever happens to the process, the folder or the disk."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.flush.segment_contents import read_contents
from otlp2parquet_ext.spool import (
    Appended,
    Damage,
    Dropped,
    Frame,
    FrameKind,
    Spool,
    batch_name,
    digest_of,
    read_frames,
)
from otlp2parquet_ext.spool.frames import encode_header

MIB = 1_048_576


def new_spool(folder: Path, capacity_bytes: int = 64 * MIB, memory_bytes: int = MIB) -> Spool:
    """Open a spool with a preamble of one frame."""
    spool = Spool(folder, capacity_bytes, memory_bytes)
    spool.set_preamble([(FrameKind.CONTEXT, b"{}", 0)])
    return spool


def encode(bodies: list[bytes]) -> bytes:
    """Encode bodies as a segment does."""
    return b"".join(encode_header(FrameKind.DELIVERY, 1, b, digest_of(b)) + b for b in bodies)


def bodies_of(spool: Spool) -> list[bytes]:
    """Return the deliveries of all sealed segments, in order."""
    frames = [f for segment in spool.sealed for f in read_frames(segment.read())]
    return [f.payload for f in frames if isinstance(f, Frame) and f.kind is FrameKind.DELIVERY]


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_frames_read_back_as_they_were_written(bodies: list[bytes]) -> None:
    """A body may contain any bytes, even the magic bytes of a frame."""
    frames = list(read_frames(encode(bodies)))
    assert [f.payload for f in frames if isinstance(f, Frame)] == bodies


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), st.data())
def test_a_torn_end_costs_the_torn_frame_only(bodies: list[bytes], data: st.DataObject) -> None:
    """A crash leaves a prefix. The lost bytes are counted exactly."""
    whole = encode(bodies)
    torn = whole[: data.draw(st.integers(0, len(whole)))]
    parts = list(read_frames(torn))
    kept = [p.payload for p in parts if isinstance(p, Frame)]
    assert kept == bodies[: len(kept)]
    damage = sum(p.size_bytes for p in parts if isinstance(p, Damage))
    assert damage + len(encode(kept)) == len(torn)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=3, max_size=5), st.data())
def test_an_overwritten_byte_costs_one_frame(bodies: list[bytes], data: st.DataObject) -> None:
    """The reader finds the frames after it again."""
    whole = bytearray(encode(bodies))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= 0xFF
    kept = [p.payload for p in read_frames(bytes(whole)) if isinstance(p, Frame)]
    assert len(kept) >= len(bodies) - 1


def test_a_batch_name_follows_from_its_bodies_and_their_order() -> None:
    """A batch that is stored twice has the same name, and no other batch has it."""
    one, two = digest_of(b"1"), digest_of(b"2")
    assert batch_name([one, two]) == batch_name([one, two])
    assert len({batch_name([one, two]), batch_name([two, one]), batch_name([one])}) == 3


def test_a_segment_holds_the_preamble_and_the_bodies_in_order(tmp_path: Path) -> None:
    """A process that did not see these invocations can read the segment alone."""
    spool = new_spool(tmp_path)
    for body in (b"1", b"2"):
        assert spool.append(body, 5, 1) == Appended(duplicate=False)
    spool.note((FrameKind.INVOKE, b"fact", 6))
    segment = spool.seal()
    assert segment is not None
    frames = [f for f in read_frames(segment.read()) if isinstance(f, Frame)]
    assert [(f.kind, f.payload) for f in frames] == [
        (FrameKind.CONTEXT, b"{}"),
        (FrameKind.DELIVERY, b"1"),
        (FrameKind.DELIVERY, b"2"),
        (FrameKind.INVOKE, b"fact"),
    ]


def test_a_fact_alone_opens_no_segment(tmp_path: Path) -> None:
    """Otherwise every invocation without lines would make a file."""
    spool = new_spool(tmp_path)
    spool.note((FrameKind.INVOKE, b"fact", 6))
    assert spool.seal() is None


def test_facts_wait_for_the_deliveries_they_explain(tmp_path: Path) -> None:
    """Many short invocations may begin before the platform delivers the lines of the first one."""
    spool = new_spool(tmp_path)
    facts = [b"fact %d" % n for n in range(100)]
    for fact in facts:
        spool.note((FrameKind.INVOKE, fact, 1))
    for body in (b"1", b"2"):
        spool.append(body, 2, 1)
        spool.seal()
    kept = [
        [
            f.payload
            for f in read_frames(s.read())
            if isinstance(f, Frame) and f.kind is FrameKind.INVOKE
        ]
        for s in spool.sealed
    ]
    assert kept == [facts, facts[-16:]]


def test_a_body_sent_twice_is_kept_once(tmp_path: Path) -> None:
    """The platform repeats a delivery if it did not see the answer."""
    spool = new_spool(tmp_path)
    assert spool.append(b"[1]", 1, 1) == Appended(duplicate=False)
    assert spool.append(b"[1]", 2, 1) == Appended(duplicate=True)
    spool.seal()
    assert bodies_of(spool) == [b"[1]"]


def test_only_we_can_read_the_spool(tmp_path: Path) -> None:
    """Telemetry contains whatever users log."""
    spool = new_spool(tmp_path)
    spool.append(b"secret", 1, 1)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}


def test_what_a_killed_process_acknowledged_is_recovered(tmp_path: Path) -> None:
    """SIGKILL comes between the answer and the flush. The spool exists for this case."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from otlp2parquet_ext.spool import FrameKind, Spool\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 26, 1 << 20)\n"
        "for n in range(3):\n"
        "    spool.append(b'body %d' % n, 1, 1)\n"
        "    if n == 1: spool.seal()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    spool = new_spool(tmp_path)
    assert spool.recover() == 2
    assert bodies_of(spool) == [b"body 0", b"body 1", b"body 2"]
    assert spool.append(b"body 2", 9, 1) == Appended(duplicate=True)
    for segment in list(spool.sealed):
        spool.discard(segment)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_hundreds_of_leftovers_are_taken_over_a_part_at_a_time(tmp_path: Path) -> None:
    """A function that crashes each time leaves a folder each time; descriptors are limited."""
    for number in range(260):
        folder = tmp_path / "otlp2parquet_ext" / f"{number}-0"
        folder.mkdir(parents=True)
        (folder / "00000001.seg").write_bytes(encode([b"%03d" % number]))
    spool = new_spool(tmp_path)
    before = open_descriptors()
    rounds = 0
    bodies: list[bytes] = []
    while spool.recover():
        rounds += 1
        assert open_descriptors() - before <= 220
        assert spool.size_bytes == (260 - len(bodies)) * len(encode([b"000"]))
        bodies += bodies_of(spool)
        for segment in list(spool.sealed):
            spool.discard(segment)
    assert rounds == 3
    assert sorted(bodies) == [b"%03d" % number for number in range(260)]
    assert open_descriptors() == before


def test_the_spool_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """Two extensions may run, or resets may overlap. No segment may be flushed twice."""
    living = new_spool(tmp_path)
    living.append(b"mine", 1, 1)
    other = new_spool(tmp_path)
    assert other.recover() == 0
    other.append(b"other", 1, 1)
    living.seal()
    assert bodies_of(living) == [b"mine"]


def test_a_function_that_empties_tmp_takes_nothing_from_us(tmp_path: Path) -> None:
    """The files stay open, so only their names are removed. Later bodies go to a new folder."""
    spool = new_spool(tmp_path)
    spool.append(b"before", 1, 1)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    spool.append(b"after", 2, 1)
    spool.seal()
    spool.append(b"later", 3, 1)
    spool.seal()
    assert bodies_of(spool) == [b"before", b"after", b"later"]
    for segment in list(spool.sealed):
        spool.discard(segment)
    assert spool.size_bytes == 0


def open_descriptors() -> int:
    """Count what this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_function_that_empties_tmp_every_time_costs_no_descriptor(tmp_path: Path) -> None:
    """Many functions begin with `rm -rf /tmp/*`, and are invoked thousands of times."""
    spool = new_spool(tmp_path)
    before = open_descriptors()
    for number in range(20):
        spool.append(b"%d" % number, 1, 1)
        segment = spool.seal()
        assert segment is not None
        spool.discard(segment)
        shutil.rmtree(tmp_path / "otlp2parquet_ext")
    assert open_descriptors() - before <= 2


def test_without_a_folder_bodies_live_in_memory(tmp_path: Path) -> None:
    """A file in the place of the folder stands for every way in which /tmp can be unusable."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    spool = new_spool(blocker)
    assert spool.append(b"body", 1, 1) == Appended(duplicate=False)
    spool.seal()
    assert bodies_of(spool) == [b"body"]
    assert not spool.sealed[0].on_disk


def test_bodies_in_memory_share_a_segment(tmp_path: Path) -> None:
    """A segment needs a descriptor. One for each delivery would leave none for `next`."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    spool = new_spool(blocker)
    for number in range(50):
        spool.append(b"%d" % number, 1, 1)
    spool.seal()
    assert len(spool.sealed) == 1
    assert bodies_of(spool) == [b"%d" % number for number in range(50)]


def test_after_a_segment_in_memory_the_disk_is_tried_again(tmp_path: Path) -> None:
    """Memory is lost with the process, so a disk with room is better."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    spool = new_spool(blocker)
    spool.append(b"1", 1, 1)
    blocker.unlink()
    spool.append(b"2", 1, 1)
    spool.seal()
    spool.append(b"3", 1, 1)
    spool.seal()
    assert [segment.on_disk for segment in spool.sealed] == [False, True]


def test_a_full_disk_tears_no_frame_and_loses_none(tmp_path: Path) -> None:
    """The file size limit of the system makes a write fail half way, as a full /tmp does."""
    spool = new_spool(tmp_path)
    spool.append(b"a" * 1_000, 1, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # In a process of its own: the limit would hit pytest's own files, too. The second body does
    # not fit behind the first, but does in a segment of its own, in memory.
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500, before[1]))
        result = spool.append(b"b" * 1_000, 2, 1)
        segment = spool.sealed[0] if spool.sealed else spool.open
        assert segment is not None
        parts = list(read_frames(segment.read()))
        whole = all(isinstance(part, Frame) for part in parts)
        os._exit(0 if whole and isinstance(result, Appended) else 1)
    status = os.waitpid(child, 0)[1]
    signal.signal(signal.SIGXFSZ, ignored)
    assert status == 0


def test_beyond_its_capacity_the_oldest_is_kept_and_the_newest_is_dropped(tmp_path: Path) -> None:
    """A bound that can be exceeded is none. The caller counts the dropped records."""
    spool = new_spool(tmp_path, capacity_bytes=5_000, memory_bytes=3_000)
    results = [spool.append(bytes([n]) * 1_000, 1, 1) for n in range(12)]
    assert isinstance(results[-1], Dropped)
    kept = [r for r in results if isinstance(r, Appended)]
    assert results[: len(kept)] == kept
    assert spool.size_bytes <= 8_000 + 12 * 40
    spool.seal()
    assert bodies_of(spool) == [bytes([n]) * 1_000 for n in range(len(kept))]


def test_room_is_back_when_batches_are_safe(tmp_path: Path) -> None:
    """When the destination recovers, nothing is dropped any more."""
    spool = new_spool(tmp_path, capacity_bytes=3_000, memory_bytes=0)
    assert isinstance(spool.append(b"1" * 2_000, 1, 1), Appended)
    assert isinstance(spool.append(b"2" * 2_000, 1, 1), Dropped)
    segment = spool.seal()
    assert segment is not None
    spool.discard(segment)
    assert isinstance(spool.append(b"2" * 2_000, 1, 1), Appended)


def test_a_backlog_is_cut_into_segments_a_flush_can_hold(tmp_path: Path) -> None:
    """The memory of one flush is bounded, even after a long time without a flush."""
    spool = new_spool(tmp_path, capacity_bytes=64 * MIB)
    for n in range(20):
        spool.append(bytes([n]) * MIB, 1, 1)
    assert len(spool.sealed) >= 3
    assert max(s.size_bytes for s in spool.sealed) <= 6 * MIB


def test_a_backlog_of_short_lines_is_cut_by_their_number(tmp_path: Path) -> None:
    """Short lines take ten times their bytes as columns."""
    spool = new_spool(tmp_path)
    for n in range(25):
        spool.append(b"%d" % n, 1, 1_000)
    assert [segment.items for segment in spool.sealed] == [10_000, 10_000]


@pytest.mark.parametrize("content", [b"", b"not a segment", encode([b"x"])[:-1]])
def test_a_leftover_that_is_no_segment_is_taken_and_does_no_harm(
    tmp_path: Path, content: bytes
) -> None:
    """The function may write into our folder, and nothing there may stop the extension."""
    folder = tmp_path / "otlp2parquet_ext" / "1-0"
    folder.mkdir(parents=True)
    (folder / "00000001.seg").write_bytes(content)
    spool = new_spool(tmp_path)
    assert spool.recover() == 1
    assert bodies_of(spool) == []
    spool.discard(spool.sealed[0])
    assert not folder.exists()


COLLIDING = (
    bytes.fromhex("6161616161616161616161616161616145b113553b9e71799c8918593f1dcb66"),
    bytes.fromhex("62626262626262626262626262626262310aeb9f0093b93772c2cc8cc777e2a0"),
)
"""Two bodies of one MurmurHash3, made in less than a millisecond."""


def test_two_bodies_of_one_digest_are_both_kept(tmp_path: Path) -> None:
    """A forged body with the same digest must not replace the other, or share its batch name."""
    assert digest_of(COLLIDING[0]) == digest_of(COLLIDING[1])
    spool = Spool(tmp_path, 1 << 20, 0)
    names = []
    for received_us, body in enumerate(COLLIDING):
        assert spool.append(body, received_us, 1) == Appended(duplicate=False)
        assert spool.append(body, received_us + 9, 1) == Appended(duplicate=True)
        segment = spool.seal()
        assert segment is not None
        names.append(read_contents(segment.read()).name)
    assert names[0] != names[1]


def test_of_two_bodies_of_one_digest_the_recovered_one_is_known(tmp_path: Path) -> None:
    """A second process recognises the bodies that the first one acknowledged, and no others."""
    program = (
        "import sys; from pathlib import Path; from otlp2parquet_ext.spool import Spool\n"
        f"Spool(Path(sys.argv[1]), 1 << 20, 0).append({COLLIDING[0]!r}, 1, 1)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    spool = Spool(tmp_path, 1 << 20, 0)
    assert spool.recover() == 1
    assert spool.append(COLLIDING[0], 2, 1) == Appended(duplicate=True)
    assert spool.append(COLLIDING[1], 2, 1) == Appended(duplicate=False)
