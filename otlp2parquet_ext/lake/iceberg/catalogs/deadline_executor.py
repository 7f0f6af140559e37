"""Run calls that may hang on a separate thread, and wait for them only until a deadline.

A database driver, an SDK or a metastore's client may wait without a limit. Here all calls of one
catalog run on one thread, one after the other. A call that misses its deadline is abandoned with
its thread, and the next call gets a new thread. An abandoned thread ends when its connection ends;
there may be at most `MOST_ABANDONED` of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_ABANDONED = 3


class NoAnswerError(Exception):
    """A call missed its deadline; it may still take effect."""


class DeadlineExecutor:
    """Runs calls with a deadline; one thread at a time may use it.

    Args:
        what: name of the called system, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._calls: SimpleQueue[Callable[[], None] | None] | None = None
        self._abandoned: list[threading.Thread] = []
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T], deadline_ms: int) -> T:
        """Run a function; return its result, or raise its exception.

        Args:
            function: runs on the thread of the earlier calls, unless it was abandoned.
            deadline_ms: Unix ms.

        Raises:
            NoAnswerError: the call missed its deadline. It may still run, so the caller must not
                use any object that the function uses.
        """
        answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

        def run() -> None:
            try:
                answers.put((True, function()))
            except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
                answers.put((False, error))

        self._queue().put(run)
        try:
            good, answer = answers.get(timeout=max(0.0, deadline_ms / 1_000 - time.time()))
        except Empty:
            self._abandon_thread()
            raise NoAnswerError(f"{self._what} did not answer in time") from None
        if good:
            found: T = answer
            return found
        raise answer

    def last(self, function: Callable[[], object]) -> None:
        """Run a function after all others, without waiting; its result and errors are ignored."""
        if self._calls is not None:
            self._calls.put(lambda: _quietly(function))

    def close(self) -> None:
        """End the thread after its current call, without waiting."""
        if self._calls is not None:
            self._calls.put(None)
        self._calls = self._thread = None

    def _abandon_thread(self) -> None:
        if self._thread is not None:
            self._abandoned.append(self._thread)
        self.close()

    def _queue(self) -> SimpleQueue[Callable[[], None] | None]:
        """Return the thread's queue; start a thread if there is none."""
        if self._calls is None:
            self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
            if len(self._abandoned) >= MOST_ABANDONED:
                raise NoAnswerError(
                    f"{self._what} has not answered {MOST_ABANDONED} earlier calls yet"
                )
            self._calls = SimpleQueue()
            # A daemon thread, so that a hanging call does not stop the process from ending.
            self._thread = threading.Thread(target=_work, args=(self._calls,), daemon=True)
            self._thread.start()
        return self._calls


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()


def _quietly(function: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        function()
