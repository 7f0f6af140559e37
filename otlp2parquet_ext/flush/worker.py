"""A serial worker: one kind of work on its own thread, one job at a time.

Storing, committing and redelivering each have a worker, so a catalog that hangs never prevents a
batch from becoming durable. A worker only manages threads; health.py decides which work may be
tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from otlp2parquet_ext.common.hold_limits import steady_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

STUCK_MS = 300
"""Time over which a job's CPU is measured before the job is abandoned as stuck."""

MOVING_MS = 1.0
"""Least CPU ms that a working job uses in `STUCK_MS`, even on a fourteenth of a core."""

ABANDONED = 2
"""Most abandoned threads that may still wait for an answer. Each keeps its batch in memory."""

SUSPENDABLE = 0x20 | 0x80 | 0x100 | 0x200
"""Flags of a code object for generators and coroutines (`inspect.CO_GENERATOR` and others)."""

P = ParamSpec("P")
T = TypeVar("T")


class AbandonedError(OSError):
    """The thread of a function is abandoned: the function may still run, or never run."""


class _Clock:
    """The times of one thread; each thread has its own clock, so a late thread changes no other.

    Attributes:
        began_ms: ms of `steady_ms` at which the running function began; None if idle.
        of_job: a job of this worker waits for the running function.
        ended: called on the thread after each function.
    """

    def __init__(self) -> None:
        self._id: int | None = None
        self.began_ms: int | None = None
        self.of_job = False
        self.ended: Callable[[], None] | None = None

    def timed(self, function: Callable[[], T], *, of_job: bool) -> T:
        """Run a function, on the thread itself."""
        self.began_ms, self.of_job = steady_ms(), of_job
        try:
            return function()
        finally:
            self.began_ms = None
            if self.ended is not None:
                self.ended()

    def started(self) -> None:
        """Start the clock, on the thread to be measured."""
        self._id = time.pthread_getcpuclockid(threading.get_ident())

    def used_ms(self) -> float:
        """Return the CPU time, 0 before the thread has started."""
        return 0.0 if self._id is None else time.clock_gettime(self._id) * 1_000


def _new_thread(what: str) -> tuple[_Clock, ThreadPoolExecutor]:
    clock = _Clock()
    return clock, ThreadPoolExecutor(1, thread_name_prefix=what, initializer=clock.started)


class SerialWorker:
    """One thread and the job that runs on it.

    Args:
        name: name of the thread, for example "storing".
        ended: called on the loop after each job, with its exception or None.
    """

    def __init__(self, name: str, ended: Callable[[BaseException | None], None]) -> None:
        self._name = name
        self._ended = ended
        self._waiting: set[asyncio.Future[Any]] = set()
        self._abandoned: list[_Clock] = []
        self._clock, self._thread = _new_thread(name)
        self._job: asyncio.Task[None] | None = None
        self._began_ms = self._thawed_ms = 0

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return self._job is not None and not self._job.done()

    @property
    def frozen_meanwhile(self) -> bool:
        """True if the environment was or may have been frozen during the latest job."""
        return self._thawed_ms > self._began_ms

    def busy_ms(self, now_ms: int) -> int:
        """Return the duration of the running job, without frozen time; 0 if none runs."""
        return now_ms - max(self._began_ms, self._thawed_ms) if self.busy else 0

    def step_ms(self, now_ms: int) -> int | None:
        """Return the duration of the running function, without frozen time; None if idle."""
        began_ms = self._clock.began_ms
        return None if began_ms is None else now_ms - max(began_ms, self._thawed_ms)

    @property
    def job_runs(self) -> bool:
        """True while the thread runs a function of the running job."""
        return self.busy and self._clock.began_ms is not None and self._clock.of_job

    @property
    def may_abandon(self) -> bool:
        """True unless `ABANDONED` threads are abandoned already."""
        self._abandoned = [clock for clock in self._abandoned if clock.began_ms is not None]
        return len(self._abandoned) < ABANDONED

    def thawed(self, now_ms: int) -> None:
        """Note that the environment was or may have been frozen until now."""
        self._thawed_ms = now_ms

    def begin(self, job: Coroutine[None, None, None]) -> None:
        """Begin a job; the worker must be idle."""
        assert not self.busy
        self._began_ms = steady_ms()
        self._job = asyncio.create_task(job)
        self._job.add_done_callback(self._job_ended)

    async def abandon_stuck_job(self) -> None:
        """Abandon the running job if it only waits for an answer, and continue with a new thread.

        A request may have died during a freeze, or hang although its destination works again. A
        thread that waits for an answer uses no CPU. The old thread ends by itself, so its work must
        be idempotent.
        """
        job, used_ms = self._job, self._clock.used_ms()
        if job is None or job.done() or not self.may_abandon:
            return
        await asyncio.wait({job}, timeout=STUCK_MS / 1_000)
        stuck = not job.done() and job is self._job
        if stuck and self._clock.used_ms() - used_ms < MOVING_MS:
            await self.abandon()

    async def abandon(self) -> None:
        """Abandon the thread and the running job in any state; continue with a new thread.

        The job is cancelled. A job of another worker that waits for this thread gets an
        `AbandonedError`. A function that has not begun is never run.
        """
        job, self._job = self._job, None
        waiting, self._waiting = self._waiting, set()
        self._clock.ended = partial(self._late_end, asyncio.get_running_loop())
        self._abandoned.append(self._clock)
        if job is not None:
            job.cancel()
        for answer in waiting:
            answer.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._clock, self._thread = _new_thread(self._name)
        if job is not None:
            await asyncio.wait({job})  # then its segment waits again before the next job begins
        self._ended(None)

    def _late_end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Plan again, because an abandoned thread has ended."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._ended, None)

    async def until_idle(self) -> None:
        """Wait for the running job and for those that begin when it ends."""
        while self._job is not None and self.busy:
            await asyncio.wait({self._job})

    async def on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function on the worker's thread, after the functions that were submitted before.

        Raises:
            AbandonedError: the thread was abandoned, and the caller is another worker's job.
        """

        def run() -> T:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                _clear_frames(error)
                raise

        task = asyncio.current_task()
        answer = asyncio.wrap_future(self._submit(run, of_job=task is self._job))
        self._waiting.add(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            raise AbandonedError(f"{self._name} did not end in time") from None
        finally:
            self._waiting.discard(answer)

    def _submit(self, run: Callable[[], T], *, of_job: bool = False) -> Future[T]:
        return self._thread.submit(self._clock.timed, run, of_job=of_job)

    def submit(self, function: Callable[[], None], *then: Callable[[], None]) -> None:
        """Run functions on the worker's thread, each behind the functions submitted meanwhile.

        No caller waits for them.
        """

        def run() -> None:
            function()
            if then:
                self.submit(*then)

        self._submit(run)

    def _job_ended(self, job: asyncio.Task[None]) -> None:
        if not job.cancelled():
            self._ended(job.exception())


def _clear_frames(error: BaseException | None) -> None:
    """Free the objects that the frames of an error and of its causes hold.

    Otherwise a reference cycle of error and frames keeps an unsent batch, its columns and its file,
    until the garbage collector runs. Each further attempt would add another one.
    """
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if not frame.f_code.co_flags & SUSPENDABLE:  # these may not have ended
                with contextlib.suppress(RuntimeError):  # it is still running
                    frame.clear()
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
