"""A process ends while it works on a segment: counted on disk, tried last, bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.flush.attempts import Handling
from otlp2parquet_ext.flush.intake import Intake
from otlp2parquet_ext.flush.queue import SegmentQueue
from otlp2parquet_ext.flush.request_watch import RequestWatch
from otlp2parquet_ext.flush.store_job import CRASHED, drop_crashed
from otlp2parquet_ext.spool import Frame, FrameKind, Segment, Spool, read_frames
from otlp2parquet_ext.spool.crashes import Crashes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIFE = """
import os, signal, sys
from pathlib import Path
from otlp2parquet_ext.spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 26, 1 << 20)
spool.recover()
if not spool.sealed:
    for body in (b'["first"]', b'["second"]'):
        spool.append(body, 1, 1)
        spool.seal()
segment = next(s for s in spool.sealed if b'second' in s.read())
{work}
os.kill(os.getpid(), signal.SIGKILL)
"""
WORKING = "with segment.attempt(): os.kill(os.getpid(), signal.SIGKILL)"
SENDING = "with segment.attempt(), segment.sent(): os.kill(os.getpid(), signal.SIGKILL)"
ENDED = "with segment.attempt(): pass"
REFUSED = """
try:
    with segment.attempt(), segment.sent(): raise OSError
except OSError: pass
"""
TOLD_TO_END = """
held = segment.attempt()
held.__enter__()
segment.end_phases()
with segment.sent(): os.kill(os.getpid(), signal.SIGKILL)
"""


def live(folder: Path, work: str) -> None:
    """Let a process work on the second segment, and kill it."""
    command = [sys.executable, "-c", LIFE.format(work=work), str(folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def take_over(folder: Path) -> tuple[Spool, SegmentQueue, dict[str, Segment]]:
    """Begin the next process; return its segments by their content."""
    spool = Spool(folder, 1 << 26, 1 << 20)
    spool.recover()
    words = {"second" if b"second" in s.read() else "first": s for s in spool.sealed}
    return spool, SegmentQueue(spool), words


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        ([WORKING], Crashes(1, 0)),
        ([WORKING, WORKING, WORKING], Crashes(3, 0)),
        ([SENDING, WORKING, SENDING], Crashes(1, 2)),
        ([ENDED, REFUSED], Crashes()),
        ([TOLD_TO_END, ENDED, TOLD_TO_END], Crashes(0, 0, 2)),
        ([WORKING, ENDED, REFUSED], Crashes(1, 0)),
    ],
    ids=["once", "thrice", "sent", "ended otherwise", "told to end", "ended otherwise later"],
)
def test_the_next_process_knows_what_was_in_hand_when_one_was_killed(
    tmp_path: Path, lives: list[str], expected: Crashes
) -> None:
    """The name of the file also has the phase. An attempt that ended is no crash."""
    for work in lives:
        live(tmp_path, work)
    _, queue, segments = take_over(tmp_path)
    assert segments["second"].crashes == expected
    assert segments["first"].crashes == Crashes()
    assert queue.handling(segments["first"]) is Handling.NORMAL


def test_a_mark_needs_no_room_on_the_disk(tmp_path: Path) -> None:
    """/tmp may be full when a mark is needed, so a mark is a rename and writes nothing."""
    spool = Spool(tmp_path, 1 << 20, 0)
    spool.append(b"[1]", 1, 1)
    segment = spool.seal()
    assert segment is not None

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device", str(arguments))

    with pytest.MonkeyPatch.context() as patch:
        for call in ("pwrite", "pwritev", "write", "posix_fallocate"):
            patch.setattr(os, call, full)
        with segment.attempt():
            names = [path.name for path in tmp_path.rglob("*.seg")]
    assert names == ["00000001.1-0.seg"]
    assert [path.name for path in tmp_path.rglob("*.seg")] == ["00000001.seg"]


def test_a_suspicious_segment_waits_behind_all_others(tmp_path: Path) -> None:
    """It came first, but later segments are stored before it."""
    for work in (WORKING, WORKING):
        live(tmp_path, work.replace("segment.", "spool.sealed[0]."))
    spool, queue, segments = take_over(tmp_path)
    spool.append(b'["later"]', 2, 1)
    later = spool.seal()
    assert queue.waiting == [segments["second"], later, segments["first"]]
    assert queue.as_text(segments["first"])
    assert queue.oldest_idle is segments["first"]  # but the oldest segment is dropped to make room


def test_what_ended_three_processes_is_dropped_and_counted_to_the_record(tmp_path: Path) -> None:
    """Its row has the reason, records and bytes, and its file is deleted."""
    for _ in range(3):
        live(tmp_path, WORKING)
    spool, queue, segments = take_over(tmp_path)
    intake = Intake(spool, queue, drops_oldest=False)
    assert not drop_crashed(intake, queue, segments["first"])
    assert drop_crashed(intake, queue, segments["second"])
    intake.seal()
    told, first = (list(bodies_of(segment)) for segment in spool.sealed)
    assert first == [b'["first"]']
    assert f'"reason":"{CRASHED}","droppedRecords":1,"droppedBytes":10'.encode() in told[0]


def test_a_process_that_ends_while_it_counts_does_not_count_again(tmp_path: Path) -> None:
    """Reading the segment may end the process. Then only its bytes are known."""
    for _ in range(4):
        live(tmp_path, WORKING)
    spool, queue, segments = take_over(tmp_path)
    size_bytes = segments["second"].size_bytes
    intake = Intake(spool, queue, drops_oldest=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments["second"], "read", None)
        assert drop_crashed(intake, queue, segments["second"])
    intake.seal()
    (told,) = bodies_of(spool.sealed[0])
    assert f'"droppedRecords":0,"droppedBytes":{size_bytes}'.encode() in told


def test_counting_what_made_room_counts_as_in_hand(tmp_path: Path) -> None:
    """A full spool drops the oldest segment, and that may be the one that ends processes."""
    spool = Spool(tmp_path, 1 << 20, 0)
    intake = Intake(spool, SegmentQueue(spool), drops_oldest=True)
    intake.append(b"[1]", 1)
    segment = spool.seal()
    assert segment is not None
    read = segment.read
    names: list[str] = []

    def reading() -> bytes:
        names.extend(path.name for path in tmp_path.rglob("*.seg"))
        return read()

    segment.read = reading  # type: ignore[method-assign]
    intake._make_room()
    assert names == ["00000001.1-0.seg"]
    assert not list(tmp_path.rglob("*.seg"))


def test_a_request_belongs_to_the_segment_of_its_thread(tmp_path: Path) -> None:
    """The request of a commit has nothing to do with the batch that another thread encodes."""
    spool = Spool(tmp_path, 1 << 20, 0)
    spool.append(b"[1]", 1, 1)
    segment = spool.seal()
    assert segment is not None
    hand = RequestWatch()

    def name() -> str:
        return next(path.name for path in tmp_path.rglob("*.seg"))

    def elsewhere() -> str:
        found = []

        def request() -> None:
            with hand.sent():
                found.append(name())

        on_a_thread(request)
        return found[0]

    with hand.holding(segment):
        assert elsewhere() == "00000001.1-0.seg"
        with hand.sent():
            assert name() == "00000001.0-1.seg"
        assert name() == "00000001.1-0.seg"
    assert elsewhere() == "00000001.seg"


def on_a_thread(work: Callable[[], None]) -> None:
    """Do something on another thread."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_two_threads_with_one_segment_leave_the_mark_of_the_graver_phase(tmp_path: Path) -> None:
    """One thread was abandoned in its request, and the next began again.

    Either may end the process.
    """
    spool = Spool(tmp_path, 1 << 20, 0)
    spool.append(b"[1]", 1, 1)
    segment = spool.seal()
    assert segment is not None
    entered, leave = threading.Event(), threading.Event()

    def given_up() -> None:
        with segment.attempt(), segment.sent():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=given_up)
    thread.start()
    assert entered.wait(20)
    with segment.attempt():
        assert segment.path is not None
        assert segment.path.name == "00000001.1-0.seg"
        assert segment.path.exists()
    assert segment.path.name == "00000001.0-1.seg"
    spool.discard(segment)
    leave.set()
    thread.join()
    assert not list(tmp_path.rglob("*.seg"))


def bodies_of(segment: Segment) -> list[bytes]:
    """Return the deliveries in a segment."""
    frames = (f for f in read_frames(segment.read()) if isinstance(f, Frame))
    return [f.payload for f in frames if f.kind is FrameKind.DELIVERY]
