"""The flusher.

Which batch is stored when, with a flush side that fails, hangs or is slow on demand.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.flush.flusher import Flusher
from otlp2parquet_ext.flush.health import Work
from otlp2parquet_ext.flush.policy import (
    FIRST_STORE_MS,
    LEAST_STORE_MS,
    LONGEST_STORE_MS,
    FlushReason,
)
from otlp2parquet_ext.flush.request_watch import RequestWatch
from otlp2parquet_ext.flush.worker import ABANDONED, STUCK_MS
from otlp2parquet_ext.lake.destinations.destination import BusyError, DestinationError, Receipt
from otlp2parquet_ext.spool import (
    Frame,
    FrameKind,
    RecoveryRound,
    Segment,
    Spool,
    digest_of,
    read_frames,
)
from otlp2parquet_ext.spool.frames import encode_header
from otlp2parquet_ext.spool.recovery import RECOVERED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_S = 20.0


@dataclass
class ScriptedFlushSide:
    """A flush side that stores into a list.

    Attributes:
        failures: errors that the next stores raise.
        only_in_trouble: the body whose stores raise them, None for all.
        stored: bodies of each stored segment.
        may_store, may_commit: work waits for these.
        direct: if a commit follows, a batch is safe only with it.
        refusals: errors that the next commits raise.
        follows, as_text: for each store, whether a commit was to follow, and whether text was asked
            for.
        described: how often a batch without a commit got a descriptor.
        watch: is called for each failed request.
        loaded: the libraries are loaded, so a hold that times out counts against the destination.
        lacking: the destinations that lack their batch after the next stores and redeliveries.
        behind: for each store, the destinations that were skipped.
        may_rehearse: the rehearsal waits for it.
        done: "rehearse", "store" and "tidy", in the order of their ends.
        redelivered, forgotten: redelivered bodies; names of batches that are dropped.
    """

    lacking: list[tuple[str, ...]] = field(default_factory=list)
    behind: list[frozenset[str]] = field(default_factory=list)
    redelivered: list[list[bytes]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    only_in_trouble: bytes | None = None
    stored: list[list[bytes]] = field(default_factory=list)
    may_store: threading.Event = field(default_factory=threading.Event)
    may_commit: threading.Event = field(default_factory=threading.Event)
    may_rehearse: threading.Event = field(default_factory=threading.Event)
    done: list[str] = field(default_factory=list)
    direct: bool = False
    refusals: list[Exception] = field(default_factory=list)
    follows: list[bool] = field(default_factory=list)
    as_text: list[bool] = field(default_factory=list)
    described: int = 0
    watch: RequestWatch = field(default_factory=RequestWatch)
    loaded: bool = True

    def __post_init__(self) -> None:
        self.may_store.set()
        self.may_commit.set()

    def store(
        self,
        segment: Segment,
        *,
        commit_follows: bool = False,
        as_text: bool = False,
        behind: frozenset[str] = frozenset(),
    ) -> Receipt:
        """Keep the bodies of a segment."""
        self.behind.append(behind)
        self.as_text.append(as_text)
        self.follows.append(commit_follows)
        self.may_store.wait(WAIT_S)
        if self.failures and self.only_in_trouble in (None, *deliveries_in(segment)):
            raise self.failures.pop(0)
        self.stored.append(deliveries_in(segment))
        self.done.append("store")
        safe = not (self.direct and commit_follows)
        lacking = self.lacking.pop(0) if self.lacking else ()
        return Receipt(safe=safe, batch="batch", undelivered=lacking)

    def redeliver(self, segment: Segment, to: tuple[str, ...], *, as_text: bool = False) -> Receipt:
        """Take a segment, or leave it undelivered."""
        del as_text
        assert to
        if lacking := self.lacking.pop(0) if self.lacking else ():
            return Receipt(batch="batch", undelivered=lacking)
        self.redelivered.append(deliveries_in(segment))
        return Receipt(batch="batch")

    def forget(self, batch: str) -> None:
        """Note it."""
        self.forgotten.append(batch)

    def commit(self, deadline_ms: int) -> int:
        """Do nothing, as slowly as the test says."""
        del deadline_ms
        self.may_commit.wait(WAIT_S)
        if self.refusals:
            raise self.refusals.pop(0)
        return 1

    def describe(self) -> None:
        """Count it."""
        self.described += 1

    def warm_up_store(self) -> None:
        """Import no library."""

    warm_up_commit = warm_up_store

    def rehearse(self) -> None:
        """Take as long as the test says."""
        self.may_rehearse.wait(WAIT_S)
        self.done.append("rehearse")

    def tidy(self) -> None:
        """Note when."""
        self.done.append("tidy")

    @property
    def bodies(self) -> list[bytes]:
        """All bodies, in the order of storing."""
        return [body for bodies in self.stored for body in bodies]


def deliveries_in(segment: Segment) -> list[bytes]:
    """Return the bodies of a segment."""
    frames = (f for f in read_frames(segment.read()) if isinstance(f, Frame))
    return [f.payload for f in frames if f.kind is FrameKind.DELIVERY]


@dataclass
class Bench:
    """A flusher over a real spool and a scripted flush side."""

    folder: Path
    spool: Spool
    flush_side: ScriptedFlushSide
    batches: Flusher


def bench(folder: Path, **variables: str) -> Bench:
    """Set everything up; nothing becomes due by age unless a test asks for it."""
    environ = {"OTLP2PARQUET_DESTINATION": "file:///x", "TIMEOUT_MS": "900000"}
    settings = load(environ | variables)[0]
    spool = Spool(folder, 64 << 20, 1 << 20)
    flush_side = ScriptedFlushSide()
    batches = Flusher(settings, flush_side, spool, import_ms=1)  # type: ignore[arg-type]
    return Bench(folder, spool, flush_side, batches)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until a condition holds; the test's own time limit bounds it."""
    while not condition():  # noqa: ASYNC110 - what it waits for happens on other threads
        await asyncio.sleep(0.005)


async def test_all_of_hundreds_of_leftovers_are_flushed(tmp_path: Path) -> None:
    """They are taken over in parts, and each part starts the next."""
    count = 2 * RECOVERED + 50
    for number in range(count):
        folder = tmp_path / "otlp2parquet_ext" / f"{number}-0"
        folder.mkdir(parents=True)
        body = b"%d" % number
        header = encode_header(FrameKind.DELIVERY, 1, body, digest_of(body))
        (folder / "00000001.seg").write_bytes(header + body)

    at = bench(tmp_path)
    await at.batches.recover()
    await until(lambda: len(at.flush_side.bodies) == count)
    assert sorted(map(int, at.flush_side.bodies)) == list(range(count))


async def test_what_dead_processes_left_is_looked_for_beside_the_loop(tmp_path: Path) -> None:
    """A function may leave thousands of files there, and the loop must answer events meanwhile."""
    at = bench(tmp_path)
    look, may_look = at.spool.find_left, threading.Event()

    def slowly() -> RecoveryRound:
        assert may_look.wait(WAIT_S)
        return look()

    at.spool.find_left = slowly  # type: ignore[method-assign]
    recovery = asyncio.ensure_future(at.batches.recover())
    at.batches.append(b"[1]", 1)
    await asyncio.sleep(0)
    assert not recovery.done()
    assert at.spool.open is not None
    may_look.set()
    await recovery


async def test_what_memory_was_short_for_waits_and_is_then_kept_as_text(tmp_path: Path) -> None:
    """Memory would be short again, and later segments would never be stored."""
    at = bench(tmp_path)
    at.flush_side.failures = [MemoryError(), MemoryError()]
    at.flush_side.only_in_trouble = b"[1]"
    for body in (b"[1]", b"[2]"):
        at.batches.append(body, 1)
        at.spool.seal()
    for _ in range(3):
        at.batches._state.health.retries[Work.STORE].not_before_ms = 0
        at.batches._carry_out_plan()
        await until(lambda: not at.batches._state.storing.busy)
    assert at.flush_side.bodies == [b"[2]", b"[1]"]
    assert at.flush_side.as_text == [False, False, False, True]


async def test_at_the_end_what_memory_was_short_for_costs_no_other_its_last_chance(
    tmp_path: Path,
) -> None:
    """At the end there is no later try, so the segments behind it are stored now."""
    at = bench(tmp_path)
    at.flush_side.failures = [MemoryError()] * 9
    at.flush_side.only_in_trouble = b"[1]"
    for body in (b"[1]", b"[2]", b"[3]"):
        at.batches.append(body, 1)
        at.spool.seal()
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 2_000)
    assert at.flush_side.bodies == [b"[2]", b"[3]"]
    assert at.spool.sealed


async def test_a_flush_with_nothing_to_store_says_nothing_about_what_storing_costs(
    tmp_path: Path,
) -> None:
    """Neither does a failed one: SHUTDOWN would listen until no time is left to store."""
    at = bench(tmp_path)
    await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.batches.store_cost_ms == FIRST_STORE_MS
    at.flush_side.failures = [DestinationError("down")]
    at.batches.append(b"[1]", 1)
    await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.batches.store_cost_ms == FIRST_STORE_MS
    await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.batches.store_cost_ms == LEAST_STORE_MS


async def test_a_store_frozen_half_way_leaves_the_shutdown_window_its_time(tmp_path: Path) -> None:
    """Minutes may pass in a freeze. If they counted, the receiver would not listen at all."""
    at = bench(tmp_path)
    at.flush_side.may_store.clear()
    at.batches.append(b"[1]", 1)
    asyncio.get_running_loop().call_later(
        (LONGEST_STORE_MS + 100) / 1_000, at.flush_side.may_store.set
    )
    await at.batches.flush_all(FlushReason.END, steady_ms() + 10_000)
    assert at.batches.store_cost_ms == LONGEST_STORE_MS


async def test_what_comes_while_the_last_commit_hangs_is_stored(tmp_path: Path) -> None:
    """The platform got its 200, so a hanging catalog must not lose the delivery."""
    at = bench(tmp_path)
    at.flush_side.may_commit.clear()
    at.batches.append(b"[1]", 1)
    asyncio.get_running_loop().call_later(0.2, at.batches.append, b"[late]", 1)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 600)
    at.flush_side.may_commit.set()
    assert at.flush_side.bodies == [b"[1]", b"[late]"]
    assert not at.batches.unstored


async def test_one_refusal_at_shutdown_is_tried_again_within_the_window(tmp_path: Path) -> None:
    """There is no later try: the environment and its /tmp end soon."""
    at = bench(tmp_path)
    at.flush_side.failures = [DestinationError("503"), DestinationError("503")]
    at.batches.append(b"[1]", 1)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 5_000)
    assert at.flush_side.bodies == [b"[1]"]


async def test_a_batch_that_breaks_us_blocks_no_other_at_shutdown(tmp_path: Path) -> None:
    """It stays in the spool, and the batches behind it are stored."""
    at = bench(tmp_path)
    for body in (b"bad", b"good", b"better"):
        at.spool.append(body, 1, 1)
        at.spool.seal()
    at.flush_side.failures = [ValueError("a bug"), ValueError("in storing text, too")]
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 5_000)
    assert at.flush_side.bodies[:2] == [b"good", b"better"]


async def test_a_folder_replaced_by_a_file_stops_nothing(tmp_path: Path) -> None:
    """A batch that is safe is finished, whatever the function does in /tmp."""
    at = bench(tmp_path)
    at.batches.append(b"[1]", 1)
    shutil.rmtree(tmp_path / "otlp2parquet_ext")
    (tmp_path / "otlp2parquet_ext").write_text("")
    await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.flush_side.bodies == [b"[1]"]
    assert at.spool.size_bytes == 0


@pytest.mark.parametrize("work", ["may_store", "may_commit"])
async def test_a_destination_that_is_silent_is_in_trouble_until_it_answers(
    tmp_path: Path, work: str
) -> None:
    """It raises no error, so only time shows it. One invocation is held for it, not every one."""
    at = bench(tmp_path)
    answer = getattr(at.flush_side, work)
    answer.clear()
    at.batches.append(b"[1]", 1)
    held = [at.batches.may_hold]
    await at.batches.flush_all(FlushReason.END, steady_ms() + 100)
    assert [*held, at.batches.may_hold] == [True, False]
    answer.set()
    await until(lambda: at.batches.may_hold)


def direct(folder: Path, **variables: str) -> Bench:
    """Set up a destination that omits descriptors when a commit follows."""
    at = bench(folder, MAX_ITEMS="1", **variables)
    at.flush_side.direct = True
    return at


async def test_a_batch_whose_commit_follows_stays_in_the_spool_until_it_has_landed(
    tmp_path: Path,
) -> None:
    """Until the commit nothing else names its file, so a crash has to find it in the spool."""
    at = direct(tmp_path)
    at.flush_side.may_commit.clear()
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.bodies == [b"[1]"])
    await until(lambda: at.batches._state.committing.busy)
    assert len(at.spool.sealed) == 1
    at.flush_side.may_commit.set()
    await until(lambda: not at.spool.sealed)
    assert at.flush_side.described == 0
    assert at.flush_side.bodies == [b"[1]"]


async def test_a_batch_that_has_to_wait_for_its_commit_is_safe_without_it(tmp_path: Path) -> None:
    """Within the commit interval, or during another commit, it gets a descriptor at once."""
    at = direct(tmp_path, OTLP2PARQUET_COMMIT_INTERVAL_MS="60000")
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.follows == [True])
    await until(lambda: not at.spool.sealed)
    at.batches.append(b"[2]", 1)
    await until(lambda: at.flush_side.follows == [True, False])
    await until(lambda: not at.spool.sealed)


@pytest.mark.parametrize("refusal", [BusyError("others were faster"), DestinationError("403")])
async def test_a_batch_whose_commit_failed_is_made_safe_without_it(
    tmp_path: Path, refusal: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    """It also leaves the spool. Only a failure with a cause is logged."""
    at = direct(tmp_path)
    at.flush_side.refusals = [refusal]
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.described == 1)
    await until(lambda: not at.spool.sealed)
    assert not at.batches.may_hold
    assert ("403" in capfd.readouterr().err) == (type(refusal) is DestinationError)


async def test_shutdown_does_not_wait_for_a_commit_that_hangs_to_make_a_batch_safe(
    tmp_path: Path,
) -> None:
    """Two seconds later Lambda kills the process, and the spool is lost."""
    at = direct(tmp_path)
    at.flush_side.may_commit.clear()
    at.batches.append(b"[1]", 1)
    await until(lambda: at.batches._state.committing.busy)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 300)
    assert at.flush_side.described == 1
    assert at.spool.sealed == []
    at.flush_side.may_commit.set()


async def test_a_batch_that_cannot_be_mapped_is_kept_as_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug of ours may lose columns, but no telemetry."""
    at = bench(tmp_path)
    at.flush_side.failures = [ValueError("a bug")]
    at.batches.append(b"[1]", 1)
    await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.flush_side.as_text == [False, True]
    assert at.flush_side.bodies == [b"[1]"]
    assert at.batches.may_hold
    assert "cannot be mapped, kept as text: ValueError('a bug')" in capfd.readouterr().err


async def test_a_batch_that_cannot_even_be_kept_as_text_is_counted_and_blocks_no_other(
    tmp_path: Path,
) -> None:
    """Its row has the reason, and the batches behind it are stored."""
    at = bench(tmp_path)
    at.flush_side.failures = [ValueError("a bug") for _ in range(6)]
    at.batches.append(b"[1]", 1)
    at.spool.seal()
    at.batches.append(b"[2]", 1)
    await until(lambda: b"[2]" in at.flush_side.bodies or at.batches._state.intake._losses)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 5_000)
    told, kept = at.flush_side.bodies
    assert b"cannot be mapped: ValueError: a bug" in told
    assert kept == b"[2]"


async def test_a_destination_that_failed_holds_no_invocation_until_it_works_again(
    tmp_path: Path,
) -> None:
    """Even after its pause it is tried again during invocations, without a hold."""
    at = bench(tmp_path, MAX_ITEMS="1")
    at.flush_side.failures = [DestinationError("down")]
    at.batches.append(b"[1]", 1)
    await until(lambda: at.batches._state.health.failures(Work.STORE))
    at.batches._state.health.retries[Work.STORE].not_before_ms = 0
    at.flush_side.may_store.clear()
    assert not at.batches.may_hold
    at.batches.append(b"[2]", 1)  # and so the next try begins
    await until(lambda: at.batches._state.storing.busy)
    assert not at.batches.may_hold
    at.flush_side.may_store.set()
    await until(lambda: at.batches.may_hold)
    await until(lambda: at.flush_side.bodies == [b"[1]", b"[2]"])


async def test_others_who_are_faster_are_no_reason_to_hold_nobody_for_long(tmp_path: Path) -> None:
    """The stored files are safe, and the next commit is sent after the pause."""
    at = direct(tmp_path)
    at.flush_side.refusals = [BusyError("others were faster")]
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.described == 1)
    retry = at.batches._state.health.retries[Work.COMMIT]
    held = [at.batches.may_hold]
    retry.not_before_ms = 0
    assert [*held, at.batches.may_hold] == [False, True]


async def test_what_a_freeze_broke_is_tried_again_at_once_and_is_nobodys_fault(
    tmp_path: Path,
) -> None:
    """A connection breaks in a freeze, and the next freeze may come in a moment."""
    at = bench(tmp_path, MAX_ITEMS="1")
    at.flush_side.may_store.clear()
    at.flush_side.failures = [DestinationError("connection reset")]
    at.batches.append(b"[1]", 1)
    await asyncio.sleep(0.01)
    at.batches.thawed()
    at.flush_side.may_store.set()
    await until(lambda: at.flush_side.bodies == [b"[1]"])
    assert at.batches._state.health.failures(Work.STORE) == 0
    assert at.batches.may_hold


async def test_nobody_is_held_for_the_retries_of_a_request_that_failed(tmp_path: Path) -> None:
    """Retries may take a second and succeed. Then holds are allowed again."""
    at = bench(tmp_path)
    at.flush_side.may_store.clear()
    at.batches.append(b"[1]", 1)
    hold = asyncio.ensure_future(at.batches.flush_all(FlushReason.END, steady_ms() + 10_000))
    await until(lambda: at.flush_side.follows)
    await asyncio.to_thread(at.flush_side.watch.failed)
    await asyncio.wait_for(hold, 5)
    assert at.flush_side.bodies == []
    assert not at.batches.may_hold
    at.flush_side.may_store.set()
    await until(lambda: at.batches.may_hold)
    assert at.flush_side.bodies == [b"[1]"]


async def test_retries_in_the_last_flush_are_waited_for(tmp_path: Path) -> None:
    """There is no later try."""
    at = bench(tmp_path)
    at.flush_side.may_store.clear()
    at.batches.append(b"[1]", 1)
    last = asyncio.ensure_future(at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 9_000))
    await until(lambda: at.flush_side.follows)
    await asyncio.to_thread(at.flush_side.watch.failed)
    at.flush_side.may_store.set()
    await last
    assert at.flush_side.bodies == [b"[1]"]


async def test_a_store_under_way_for_long_holds_no_invocation(tmp_path: Path) -> None:
    """It was silent through a long function already, so a hold would time out."""
    at = bench(tmp_path, MAX_ITEMS="1")
    at.flush_side.may_store.clear()
    at.batches.append(b"[1]", 1)
    assert at.batches.may_hold
    at.batches._state.storing._began_ms -= 1_001
    held = [at.batches.may_hold]
    at.batches.thawed()  # the time before was frozen, and does not count
    assert [*held, at.batches.may_hold] == [False, True]
    at.flush_side.may_store.set()


async def test_a_batch_that_awaits_its_commit_through_a_long_freeze_is_stored_again(
    tmp_path: Path,
) -> None:
    """Its file may be deleted by then, and a commit without it must not lose the rows."""
    at = direct(tmp_path)
    at.flush_side.may_commit.clear()
    at.batches.append(b"[1]", 1)
    await until(lambda: at.batches._state.committing.busy)
    segment = at.spool.sealed[0]
    at.flush_side.refusals = [DestinationError("frozen")]
    at.batches._commit_job.make_safe = _nothing  # type: ignore[method-assign]
    at.batches._state.queue.state(segment).stored_ms -= 700_000
    at.flush_side.may_commit.set()
    at.batches.thawed()
    await until(lambda: at.flush_side.bodies == [b"[1]", b"[1]"])
    await until(lambda: not at.spool.sealed)


@pytest.mark.parametrize("event", ["thaw", "shutdown"])
async def test_a_store_that_only_waits_is_given_up_where_no_time_is_left_for_it(
    tmp_path: Path, event: str
) -> None:
    """Its connection broke in the freeze, or the destination restarted and forgot it."""
    at = bench(tmp_path, MAX_ITEMS="1")
    hangs = at.flush_side.may_store
    hangs.clear()
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.follows)
    at.flush_side.may_store = threading.Event()
    at.flush_side.may_store.set()
    if event == "thaw":
        at.batches.thawed()
    else:
        at.batches.warm_up(steady_ms() + 2_000)
        await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 2_000)
    await until(lambda: at.flush_side.bodies == [b"[1]"])
    await until(lambda: not at.spool.sealed)
    hangs.set()  # the late result of the old thread is ignored
    await asyncio.sleep(0.02)
    assert at.flush_side.bodies == [b"[1]"]


async def test_a_batch_that_waits_for_the_rehearsal_is_stored_before_memory_is_given_back(
    tmp_path: Path,
) -> None:
    """Giving back takes 0.3 s on 0.07 of a CPU.

    Too much of a hold, or of SHUTDOWN's two seconds.
    """
    at = bench(tmp_path, MAX_ITEMS="1")
    at.batches.preload()
    at.batches.append(b"[1]", 1)
    await asyncio.sleep(0)  # the store waits on the thread from here on
    at.flush_side.may_rehearse.set()
    await until(lambda: "tidy" in at.flush_side.done)
    assert at.flush_side.done[:3] == ["rehearse", "store", "tidy"]


async def test_memory_is_given_back_where_no_batch_comes(tmp_path: Path) -> None:
    """The function needs the memory of an idle environment."""
    at = bench(tmp_path)
    at.flush_side.may_rehearse.set()
    at.batches.preload()
    await until(lambda: len(at.flush_side.done) > 1)
    assert at.flush_side.done == ["rehearse", "tidy"]


async def test_not_every_thaw_gives_a_store_up(tmp_path: Path) -> None:
    """Each abandoned store holds a batch until its request times out, and memory is bounded."""
    at = bench(tmp_path, MAX_ITEMS="1")
    at.flush_side.may_store.clear()
    at.batches.append(b"[1]", 1)
    begun = at.flush_side.follows
    for number in range(ABANDONED + 2):
        while len(begun) <= min(number, ABANDONED):  # noqa: ASYNC110 - as in `until`
            await asyncio.sleep(0.005)
        await at.batches._state.storing.abandon_stuck_job()
    assert len(at.flush_side.follows) == ABANDONED + 1
    at.flush_side.may_store.set()
    await until(lambda: not at.spool.sealed)


async def test_a_store_that_works_is_not_given_up(tmp_path: Path) -> None:
    """On a small share of a CPU encoding takes long, and a new attempt would take longer."""
    at = bench(tmp_path, MAX_ITEMS="1")
    busy = threading.Event()

    class Works(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            del timeout
            while not busy.is_set():
                sum(range(1_000))
            return True

    at.flush_side.may_store = Works()
    at.batches.append(b"[1]", 1)
    await until(lambda: at.flush_side.follows)
    at.batches.thawed()
    await asyncio.sleep(2 * STUCK_MS / 1_000)
    busy.set()
    await until(lambda: not at.spool.sealed)
    assert at.flush_side.follows == [True]


async def test_what_a_failed_store_held_is_let_go_at_once(tmp_path: Path) -> None:
    """A small function lacks thirty megabytes a try until the garbage collector runs."""

    class Held:
        """Stands for the columns and the file of a batch."""

    held: list[weakref.ref[Held]] = []

    def attempt() -> Exception:
        mine = Held()
        held.append(weakref.ref(mine))
        try:
            int("reset")
        except ValueError as error:
            return error
        raise AssertionError

    def store(
        segment: Segment,
        *,
        commit_follows: bool = False,
        as_text: bool = False,
        behind: frozenset[str] = frozenset(),
    ) -> Receipt:
        del segment, commit_follows, as_text, behind
        mine = Held()
        held.append(weakref.ref(mine))
        result = attempt()  # an error in a frame its own traceback leads to
        raise DestinationError("down") from result

    at = bench(tmp_path, MAX_ITEMS="1")
    at.flush_side.store = store  # type: ignore[method-assign]
    gc.disable()
    try:
        at.batches.append(b"[1]", 1)
        await until(lambda: at.batches._state.health.failures(Work.STORE))
        await until(lambda: not any(reference() for reference in held))
    finally:
        gc.enable()


async def _nothing() -> None:
    """Make nothing safe."""


async def test_a_loss_is_told_before_the_environment_ends(tmp_path: Path) -> None:
    """The spool was full until the last moment: the row of losses is stored first."""
    at = bench(tmp_path)
    at.spool._capacity_bytes, at.spool._memory_capacity_bytes = 700, 0
    at.batches.append(b"1" * 500, 1)
    at.batches.append(b"2" * 500, 3)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 5_000)
    assert b'"droppedRecords":3,"droppedBytes":500' in at.flush_side.bodies[0]
    assert at.flush_side.bodies[1] == b"1" * 500


async def test_what_is_owed_to_one_destination_keeps_nothing_from_the_others(
    tmp_path: Path,
) -> None:
    """It waits in the spool, is sent when that destination works, and then leaves the spool."""
    at = bench(tmp_path)
    at.flush_side.lacking = [("tap",), ("tap",), ("tap",)]  # two stores, and the first redelivery
    for body in (b"[1]", b"[2]"):
        at.batches.append(body, 1)
        await at.batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    assert at.flush_side.bodies == [b"[1]", b"[2]"]
    assert len(at.spool.sealed) == 2
    assert at.batches.may_hold
    await until(lambda: len(at.flush_side.redelivered) == 2)
    await until(lambda: not at.spool.sealed)
    assert at.flush_side.redelivered == [[b"[1]"], [b"[2]"]]
    assert at.flush_side.bodies == [b"[1]", b"[2]"]


async def test_what_is_owed_is_tried_once_more_at_the_end(tmp_path: Path) -> None:
    """There is no later try, so the pause of the destination does not count."""
    at = bench(tmp_path)
    at.flush_side.lacking = [("tap",)]
    at.batches.append(b"[1]", 1)
    await at.batches.flush_all(FlushReason.SHUTDOWN, steady_ms() + 5_000)
    assert at.flush_side.redelivered == [[b"[1]"]]
    assert not at.spool.sealed


async def test_a_batch_that_is_owed_and_waits_for_its_commit_stays_for_both(tmp_path: Path) -> None:
    """It leaves the spool after the later of the two."""
    at = bench(tmp_path, OTLP2PARQUET_COMMIT_INTERVAL_MS="0")
    at.flush_side.direct = True
    at.flush_side.lacking = [("tap",)]
    at.flush_side.may_commit.clear()
    at.batches.append(b"[1]", 1)
    flush = asyncio.ensure_future(at.batches.flush_all(FlushReason.END, steady_ms() + 9_000))
    await until(lambda: at.flush_side.redelivered)
    assert len(at.spool.sealed) == 1
    at.flush_side.may_commit.set()
    await flush
    await until(lambda: not at.spool.sealed)


async def test_what_is_owed_makes_room_before_what_nobody_has(tmp_path: Path) -> None:
    """A failing destination loses its own telemetry, and the others lose nothing."""
    at = bench(tmp_path, OTLP2PARQUET_SPOOL_FULL="newest")
    at.spool = Spool(tmp_path / "small", 300_000, 0)
    settings = load({"OTLP2PARQUET_DESTINATION": "file:///x", "TIMEOUT_MS": "900000"})[0]
    batches = Flusher(settings, at.flush_side, at.spool, import_ms=1)  # type: ignore[arg-type]
    at.flush_side.lacking = [("tap",)] * 50
    for letter in "abcd":
        batches.append(b'["%s"]' % (letter.encode() * 100_000), 1)
        await batches.flush_all(FlushReason.END, steady_ms() + 5_000)
    bodies = [body for body in at.flush_side.bodies if b"dropped" not in body]
    assert [body[2:3] for body in bodies] == [b"a", b"b", b"c", b"d"]
    told = [body for body in at.flush_side.bodies if b"dropped" in body]
    assert all(b"tap: in trouble until the spool was full" in body for body in told)
    assert len(told) >= 1
    assert at.flush_side.forgotten
