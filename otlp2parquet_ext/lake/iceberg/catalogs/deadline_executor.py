"""Calls that may hang, on a thread of their own, waited for no longer than until a deadline.

A database driver, an SDK or a metastore's client may wait for ever, each in its own way. Here all
calls of one catalog run on one thread, one after the other; a call that is not back in time is
left behind with its thread, and the next one gets a new thread. What was left behind ends when
its connection does; until then only so many are allowed.
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
    """A call was not back at its deadline; what it does may still happen."""


class DeadlineExecutor:
    """Runs calls; used by one thread at a time.

    Args:
        what: names who is called, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._calls: SimpleQueue[Callable[[], None] | None] | None = None
        self._abandoned: list[threading.Thread] = []
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T], deadline_ms: int) -> T:
        """Run a function; return what it returns, or raise what it raises.

        Args:
            function: runs on the thread of the calls before, unless one of them was left behind.
            deadline_ms: Unix ms.

        Raises:
            NoAnswerError: it is not back; everything it may use is to be left alone.
        """
        answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

        def run() -> None:
            try:
                answers.put((True, function()))
            except BaseException as error:  # noqa: BLE001 - raised again, where it is waited for
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
        """Run a function after all others; neither waited for, nor asked how it went."""
        if self._calls is not None:
            self._calls.put(lambda: _quietly(function))

    def close(self) -> None:
        """Let the thread end; it is not waited for."""
        if self._calls is not None:
            self._calls.put(None)
        self._calls = self._thread = None

    def _abandon_thread(self) -> None:
        if self._thread is not None:
            self._abandoned.append(self._thread)
        self.close()

    def _queue(self) -> SimpleQueue[Callable[[], None] | None]:
        """Return the thread's queue, starting a thread when there is none."""
        if self._calls is None:
            self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
            if len(self._abandoned) >= MOST_ABANDONED:
                raise NoAnswerError(
                    f"{self._what} has not answered {MOST_ABANDONED} earlier calls yet"
                )
            self._calls = SimpleQueue()
            # A daemon: a call that hangs may not keep the process from ending.
            self._thread = threading.Thread(target=_work, args=(self._calls,), daemon=True)
            self._thread.start()
        return self._calls


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()


def _quietly(function: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        function()
