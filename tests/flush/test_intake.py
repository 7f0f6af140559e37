"""Incoming bodies: in the spool, or counted as lost in a durable place until a row counts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from otlp2parquet_ext.flush.intake import EVICTED, IN_MEMORY, Intake
from otlp2parquet_ext.flush.losses import REASONS, Losses
from otlp2parquet_ext.flush.queue import UNREFERENCED_SAFE_MS, SegmentQueue
from otlp2parquet_ext.spool import Frame, FrameKind, Spool, read_frames
from otlp2parquet_ext.spool.folders import TALLY_BYTES
from otlp2parquet_ext.spool.recovery import RECOVERED

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"%s"}]'


def intake(
    folder: Path,
    capacity_bytes: int = 1 << 20,
    memory_bytes: int = 0,
    *,
    drops_oldest: bool = False,
) -> tuple[Intake, Spool]:
    """Open an intake over a real spool."""
    spool = Spool(folder, capacity_bytes, memory_bytes)
    return Intake(spool, SegmentQueue(spool), drops_oldest=drops_oldest), spool


def take_over(taken: Intake) -> int:
    """Own the segments of dead processes."""
    return taken.adopt(taken._spool.find_left())


def bodies_of(spool: Spool) -> list[bytes]:
    """Return the deliveries of all sealed segments, in order."""
    frames = [f for segment in spool.sealed for f in read_frames(segment.read())]
    return [f.payload for f in frames if isinstance(f, Frame) and f.kind is FrameKind.DELIVERY]


def losses_in(bodies: list[bytes]) -> dict[str, tuple[int, int]]:
    """Return (records, bytes) by reason, from the rows of losses among `bodies`."""
    events: list[dict[str, Any]] = [event for body in bodies for event in json.loads(body)]
    told: dict[str, tuple[int, int]] = {}
    for event in events:
        if event["type"] == "otlp2parquet_ext.dropped":
            record = event["record"]
            records, size_bytes = told.get(record["reason"], (0, 0))
            total = records + record["droppedRecords"], size_bytes + record["droppedBytes"]
            told[record["reason"]] = total
    return told


def padded(number: int) -> bytes:
    """Make a body of about a thousand bytes and one event."""
    return BODY % (b"%d " % number + b"x" * 900)


def test_what_finds_no_room_is_told_before_anything_else(tmp_path: Path) -> None:
    """A full spool may not become empty in the remaining time, so the row needs no room in it."""
    taken, spool = intake(tmp_path, capacity_bytes=3_000)
    for number in range(5):
        taken.append(padded(number), 1)
    taken.seal()
    told, *kept = bodies_of(spool)
    assert losses_in([told]) == {"the spool is full": (2, 2 * len(padded(0)))}
    assert kept == [padded(number) for number in range(3)]
    assert taken.empty


def test_the_oldest_makes_room_where_the_user_wants_the_newest(tmp_path: Path) -> None:
    """The newest lines show the present problem. The dropped ones are counted."""
    taken, spool = intake(tmp_path, capacity_bytes=4_500, drops_oldest=True)
    for number in range(8):
        taken.append(padded(number), 1)
        taken.seal()
    bodies = bodies_of(spool)
    kept = [body for body in bodies if b"x" * 900 in body]
    assert kept[-1] == padded(7)
    assert losses_in(bodies) == {EVICTED: (8 - len(kept), (8 - len(kept)) * len(padded(0)))}


def test_the_oldest_in_memory_makes_room_a_part_at_a_time(tmp_path: Path) -> None:
    """Without a disk there are a few megabytes; one line must not evict all of them."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    taken, spool = intake(blocker, memory_bytes=8_000, drops_oldest=True)
    for number in range(30):
        taken.append(padded(number), 1)
    assert spool.size_bytes > 4_000
    taken.seal()
    kept = [body for body in bodies_of(spool) if b"x" * 900 in body]
    assert losses_in(bodies_of(spool))[EVICTED][0] == 30 - len(kept)


def test_a_segment_that_is_being_stored_makes_no_room(tmp_path: Path) -> None:
    """Another thread reads it, and it may be safe in a moment."""
    spool = Spool(tmp_path, 2_500, 0)
    queue = SegmentQueue(spool)
    taken = Intake(spool, queue, drops_oldest=True)
    taken.append(padded(0), 1)
    segment = spool.seal()
    assert segment is not None
    queue.store_begins(segment)
    taken.append(padded(1), 1)
    taken.append(padded(2), 1)
    taken.seal()
    kept = [body for body in bodies_of(spool) if b"x" * 900 in body]
    assert kept == [padded(0), padded(2)]


def test_the_events_of_a_recovered_segment_that_makes_room_are_counted(tmp_path: Path) -> None:
    """This process has not counted them yet."""
    first = Spool(tmp_path, 1 << 20, 0)
    three = b"[" + b",".join([padded(0)[1:-1]] * 3) + b"]"
    first.append(three, 1, 3)
    first.seal()
    for descriptor in first._folders._locks.values():
        os.close(descriptor)  # as the kernel does when a process ends
    taken, spool = intake(tmp_path, capacity_bytes=4_500, drops_oldest=True)
    assert take_over(taken) == 1
    for number in range(3):
        taken.append(padded(number), 1)
    taken.seal()
    assert losses_in(bodies_of(spool))[EVICTED][0] == 3


def test_losses_of_a_killed_process_are_told_by_the_next_one(tmp_path: Path) -> None:
    """A count is useful only if another process can read it after SIGKILL."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from otlp2parquet_ext.flush.intake import Intake\n"
        "from otlp2parquet_ext.flush.queue import SegmentQueue\n"
        "from otlp2parquet_ext.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 3_000, 0)\n"
        "taken = Intake(spool, SegmentQueue(spool), drops_oldest=False)\n"
        "for n in range(5):\n"
        "    taken.append(b'%d' % n * 1_000, 7)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
        assert killed.returncode == -signal.SIGKILL
    taken, spool = intake(tmp_path)
    assert take_over(taken) == 2
    assert not taken.empty
    for segment in list(spool.sealed):
        spool.discard(segment)
    taken.seal()
    assert losses_in(bodies_of(spool)) == {"the spool is full": (2 * 3 * 7, 2 * 3 * 1_000)}
    assert [p.name for p in (tmp_path / "otlp2parquet_ext").iterdir()] == [f"{os.getpid()}-0"]


def test_what_was_only_in_memory_when_a_process_was_killed_is_told_as_lost(tmp_path: Path) -> None:
    """It was acknowledged, so it is never sent again. Bodies stored before are not counted."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from otlp2parquet_ext.flush.intake import Intake\n"
        "from otlp2parquet_ext.flush.queue import SegmentQueue\n"
        "from otlp2parquet_ext.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 3_000, 8_000)\n"
        "queue = SegmentQueue(spool)\n"
        "taken = Intake(spool, queue, drops_oldest=False)\n"
        "for n in range(7):\n"
        "    taken.append(b'%d' % n * 1_000, 7)\n"
        "taken.seal()\n"
        "taken.update_tally()\n"
        "segment = next(s for s in spool.sealed if not s.on_disk)\n"
        "queue.store_begins(segment)\n"
        "queue.stored(segment, 'batch', (), safe=True, now_ms=1)\n"
        "taken.discard()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    taken, spool = intake(tmp_path)
    take_over(taken)
    kept = len(bodies_of(spool))
    taken.seal()
    told = losses_in([body for body in bodies_of(spool) if body.startswith(b"[")])
    records, size_bytes = told[IN_MEMORY]
    assert records == (7 - kept - 2) * 7
    assert size_bytes >= (7 - kept - 2) * 1_000


def test_losses_passed_from_one_dead_process_to_the_next_are_counted_once(tmp_path: Path) -> None:
    """The folder of the first process stays with its segments; the second one has its count."""
    first, spool = intake(tmp_path)
    first.append(padded(0), 1)
    first.lose("gone", 3, 5)
    die(spool)
    second, spool = intake(tmp_path)
    take_over(second)
    die(spool)
    third, spool = intake(tmp_path)
    take_over(third)
    third.seal()
    assert losses_in(bodies_of(spool)) == {"gone": (3, 5)}


def test_losses_of_many_dead_processes_are_all_told(tmp_path: Path) -> None:
    """Folders are taken over in parts, when the last segment of a part is discarded."""
    for _ in range(RECOVERED + 5):
        dead, spool = intake(tmp_path)
        dead.append(padded(0), 1)
        dead.lose("gone", 1, 1)
        die(spool)
    taken, spool = intake(tmp_path)
    queue = taken._queue
    take_over(taken)
    while queue.waiting:
        queue.dropped(queue.waiting[0])
        taken.discard()
        if not queue.waiting:
            take_over(taken)
    taken.seal()
    assert losses_in(bodies_of(spool)) == {"gone": (RECOVERED + 5, RECOVERED + 5)}


def die(spool: Spool) -> None:
    """Release the locks, as the kernel does when a process ends."""
    for descriptor in spool._folders._locks.values():
        os.close(descriptor)


def test_a_loss_that_was_told_is_not_told_again(tmp_path: Path) -> None:
    """The count is cleared together with the row."""
    first, spool = intake(tmp_path)
    first.lose("gone", 1, 1)
    first.seal()
    die(spool)
    second, _ = intake(tmp_path)
    assert take_over(second) == 1
    assert second.empty


def test_however_many_reasons_there_are_the_tally_has_room_for_them() -> None:
    """Error texts have any length and may all differ; the count has a fixed size."""
    losses = Losses()
    for number in range(100):
        losses.add(f"{number} " + "ö" * 10_000, 10**15, 10**15)
    assert len(losses) == REASONS + 1
    assert len(losses.report("2026-03-14T09:26:53.540Z")) < TALLY_BYTES - 100


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b'[{"record":1}]', b"\xff"])
def test_a_tally_that_is_none_is_no_loss(content: bytes) -> None:
    """The function may write anything into our folder."""
    losses = Losses()
    losses.learn(content)
    assert not losses


def test_a_segment_that_waited_long_for_its_commit_is_stored_again(tmp_path: Path) -> None:
    """A freeze came before its commit.

    A sweep may have deleted its file, but the segment is here.
    """
    spool = Spool(tmp_path, 1 << 20, 0)
    queue = SegmentQueue(spool)
    spool.append(b"[1]", 1, 1)
    segment = spool.seal()
    assert segment is not None
    queue.store_begins(segment)
    queue.stored(segment, "batch", (), safe=False, now_ms=1_000)
    queue.requeue_unreferenced(1_000 + UNREFERENCED_SAFE_MS)
    assert queue.waiting == []
    queue.requeue_unreferenced(1_001 + UNREFERENCED_SAFE_MS)
    assert queue.waiting == [segment]


def test_what_has_not_arrived_at_the_end_is_told_by_who_lacks_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lambda may delete /tmp.

    Waiting segments, the open one, and those that a destination lacks.
    """
    spool = Spool(tmp_path, 1 << 20, 0)
    queue = SegmentQueue(spool)
    taken = Intake(spool, queue, drops_oldest=False)
    sizes = []
    for number in range(3):
        taken.append(padded(number), 1)
        sizes.append(taken.buffered.size_bytes)
        if number < 2:
            taken.seal()
    taken.log_unsent()
    assert f"{sum(sizes)} bytes of telemetry were not stored" in capfd.readouterr().err
    lacking, uncommitted = spool.sealed
    for segment in (lacking, uncommitted):
        queue.store_begins(segment)
    names = ("https://tap", "otlp+https://collector")
    queue.stored(lacking, "batch", names, safe=True, now_ms=1)
    queue.stored(uncommitted, "other", (), safe=False, now_ms=1)
    taken.seal()
    queue.dropped(spool.sealed[2])
    taken.discard()
    taken.log_unsent()
    said = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    assert [message.split(" before")[0] for message in said] == [
        f"{sizes[0]} bytes of telemetry did not reach https://tap",
        f"{sizes[0]} bytes of telemetry did not reach otlp+https://collector",
    ]


def test_a_dropped_delivery_that_is_sent_ten_times_is_counted_once(tmp_path: Path) -> None:
    """The platform repeats an unanswered delivery, and the table has the number of lost records."""
    taken, spool = intake(tmp_path, 1_200)
    taken.append(padded(0), 1)
    for _ in range(10):
        taken.append(padded(1), 3)
    taken.append(padded(2), 5)
    taken.seal()
    told = losses_in(bodies_of(spool))
    assert list(told.values()) == [(8, len(padded(1)) + len(padded(2)))]


def test_what_a_refused_report_says_is_told_once_something_is_taken(tmp_path: Path) -> None:
    """With one destination, a refused report stays on disk until then, and causes no new report."""
    taken, spool = intake(tmp_path)
    taken.lose("the server refused", 7, 70)
    taken.seal()
    (report,) = spool.sealed
    taken.report_later(report)
    spool.discard(report)
    assert taken.empty, "a report after the other would be refused"
    taken.lose("the server refused", 2, 20)
    taken.report_refused()
    taken.seal()
    assert losses_in(bodies_of(spool)) == {"the server refused": (9, 90)}
    taken.report_refused()
    assert taken.empty


def test_what_a_refused_report_says_outlives_us(tmp_path: Path) -> None:
    """If this process is killed before any report is accepted, the next one reports it."""
    taken, spool = intake(tmp_path)
    taken.lose("the server refused", 7, 70)
    taken.seal()
    (report,) = spool.sealed
    taken.report_later(report)
    spool.discard(report)
    for descriptor in spool._folders._locks.values():
        os.close(descriptor)  # as the end of the process does
    later, others = intake(tmp_path)
    take_over(later)
    later.seal()
    assert losses_in(bodies_of(others)) == {"the server refused": (7, 70)}
