"""A lane: one kind of work on a thread of its own, one job at a time, backing off after failures.

Storing and committing have a lane each: a catalog that hangs may never keep a batch from becoming
durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from otlp2parquet_ext.common.hold_limits import LONGEST_HOLD_MS
from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.retry import FIRST_RETRY_MS, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

STUCK_MS = 300
MOVING_MS = 1.0
"""Less CPU in that time is no work, not even on a fourteenth of a core, which has twenty."""

GIVEN_UP = 2
"""Threads that may still wait for an answer nobody wants: each holds the batch it sent."""

SUSPENDABLE = 0x20 | 0x80 | 0x100 | 0x200
"""Of a code object: generators and coroutines (`inspect.CO_GENERATOR` and so on)."""

P = ParamSpec("P")
T = TypeVar("T")


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class _Clock:
    """The CPU time of one thread; each thread has its own, so that a late one is not another's."""

    def __init__(self) -> None:
        self._id: int | None = None

    def started(self) -> None:
        """Take the time of the thread that calls."""
        self._id = time.pthread_getcpuclockid(threading.get_ident())

    def used_ms(self) -> float:
        """Return the CPU time, 0 before the thread has started."""
        return 0.0 if self._id is None else time.clock_gettime(self._id) * 1_000


def _new_thread(what: str) -> tuple[_Clock, ThreadPoolExecutor]:
    clock = _Clock()
    return clock, ThreadPoolExecutor(1, thread_name_prefix=what, initializer=clock.started)


class SerialWorker:
    """See the module.

    Args:
        what: names the work in what we say, for example "storing".
        idle: called whenever a job has ended, to look for the next one.

    Attributes:
        fails: it failed, and has not worked since; others being faster is no failure.
        retry: when the next job may begin.
    """

    def __init__(self, what: str, idle: Callable[[], None]) -> None:
        self._what = what
        self._idle = idle
        self._running: Future[Any] | None = None
        self._given_up: list[Future[Any]] = []
        self._clock, self._thread = _new_thread(what)
        self._job: asyncio.Task[None] | None = None
        self.fails = False
        self._began_ms = self._step_ms = self._thawed_ms = 0
        self.retry = Retry()

    @property
    def busy(self) -> bool:
        """True while a job is under way."""
        return self._job is not None and not self._job.done()

    def busy_ms(self, now_ms: int) -> int:
        """Return for how long a job has been under way, frozen time left out; 0 when none is."""
        return now_ms - max(self._began_ms, self._thawed_ms) if self.busy else 0

    def step_ms(self, now_ms: int) -> int:
        """Return for how long the latest function has been on the thread, frozen time left out."""
        return now_ms - max(self._step_ms, self._thawed_ms)

    def in_trouble(self, now_ms: int) -> bool:
        """Tell whether nobody should be held for a job: the last one failed, or this one drags."""
        return self.fails or self.retry.waits(now_ms) or self.busy_ms(now_ms) > LONGEST_HOLD_MS

    def thawed(self, now_ms: int) -> None:
        """Note that we were frozen until now, or may have been."""
        self._thawed_ms = now_ms

    def free(self, now_ms: int) -> bool:
        """Tell whether a job may begin: none is under way, and no failure is being waited out."""
        return not self.busy and self.retry.wait_ms(now_ms) == 0

    def begin(self, job: Coroutine[None, None, None]) -> None:
        """Begin a job; the lane is not busy."""
        assert not self.busy
        self._began_ms = self._step_ms = now_ms()
        self._job = asyncio.create_task(job)
        self._job.add_done_callback(self._ended)

    async def let_go(self) -> None:
        """Give up the job under way if it only waits, and go on with a new thread.

        A request may have died while we were frozen, or hang in a destination that is back by
        now: whoever waits for nothing but an answer uses no CPU. The old thread ends by itself;
        what it was doing must be harmless to do twice.
        """
        job, used_ms = self._job, self._cpu_ms()
        if job is None or job.done() or not self.may_give_up:
            return
        await asyncio.wait({job}, timeout=STUCK_MS / 1_000)
        if not job.done() and job is self._job and self._cpu_ms() - used_ms < MOVING_MS:
            self.abandon()

    @property
    def may_give_up(self) -> bool:
        """True unless as many threads are left behind as may be."""
        self._given_up = [work for work in self._given_up if not work.done()]
        return len(self._given_up) < GIVEN_UP

    def abandon(self) -> None:
        """Give up the job under way, whatever it does, and go on with a new thread."""
        assert self._job is not None
        self._job.cancel()
        if self._running is not None:
            self._given_up.append(self._running)
            loop = asyncio.get_running_loop()
            self._running.add_done_callback(partial(self._late_end, loop))
        self._job = None
        self._clock, self._thread = _new_thread(self._what)
        self._idle()

    def _late_end(self, loop: asyncio.AbstractEventLoop, _: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._idle)

    def _cpu_ms(self) -> float:
        """Return the CPU time of the lane's thread."""
        return self._clock.used_ms()

    async def until_idle(self) -> None:
        """Wait for the job under way and those begun when it ended; how they end is told there."""
        while self._job is not None and self.busy:
            await asyncio.wait({self._job})

    async def on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function on the lane's thread, behind what runs there already."""

        def run() -> T:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                _let_go_of_frames(error)
                raise

        self._step_ms = now_ms()
        work = self._thread.submit(run)
        self._running = work
        return await asyncio.wrap_future(work)

    def submit(self, function: Callable[[], None], *then: Callable[[], None]) -> None:
        """Run functions on the lane's thread, each behind what waits there by its turn.

        Nobody waits for them.
        """

        def run() -> None:
            function()
            if then:
                self.submit(*then)

        self._thread.submit(run)

    def failed(self, problem: str, now_ms: int) -> None:
        """Wait before the next job; of several failures in a row only the first is said.

        A job that a freeze broke says nothing of the destination: the next one may begin at once.
        """
        if self._thawed_ms > self._began_ms:
            return
        if not self.fails:
            log("error", problem)
        self.fails = True
        self.retry.failed(now_ms)

    def postponed(self, now_ms: int) -> None:
        """Wait before the next job though nothing is wrong; out of step with others who wait."""
        self.retry.postponed(now_ms, int.from_bytes(os.urandom(4)) % FIRST_RETRY_MS)

    def worked(self) -> None:
        """End the trouble, if there was any."""
        if self.fails:
            log("info", f"{self._what} works again after {self.retry.failures} failures")
        self.fails = False
        self.retry = Retry()

    def _ended(self, job: asyncio.Task[None]) -> None:
        if not job.cancelled():
            if (error := job.exception()) is not None:
                log("error", f"{self._what} broke: {type(error).__name__}: {quote(error)}")
                self.retry.failed(now_ms())
            self._idle()


def _let_go_of_frames(error: BaseException | None) -> None:
    """Free what the frames of an error hold, and those of what caused it.

    A batch that could not be sent, columns and file, would else live on in a cycle of error and
    frames, until the collector comes by; each further try would add its own.
    """
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if not frame.f_code.co_flags & SUSPENDABLE:  # those are not ended, perhaps
                with contextlib.suppress(RuntimeError):  # it is still running
                    frame.clear()
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
