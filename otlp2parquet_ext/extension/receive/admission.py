"""The door before a server: who names one of its paths is let in, everybody else waits outside.

    accept --> stranger --names a path----------> admit()
                   |------names another---------> 404
                   |------names none in time----> closed
                   +------is one too many-------> the one that has waited longest is looked at
                                                  once more, then closed

Anything in the sandbox can open a thousand connections; each is a descriptor, Lambda allows 1 024,
and the platform must get through all the same. A stranger costs a socket and nothing else: no
parser, no task. The oldest goes first, because the platform writes as soon as it is connected: it
is a stranger for less than a millisecond, and never closed once its request line is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from otlp2parquet_ext.extension.receive.http1 import ANSWERS, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

STRANGERS = 64
LINGERING_S = 0.5  # reading on after an answer, so that it is not lost in a reset
LOOK_AGAIN_S = 0.1
PAUSE_S = 0.1  # when there is no descriptor left
READ_BYTES = 65_536
LINE_BYTES = 512
"""A request line whose path has not ended by then names none of ours."""


class Admission:
    """The strangers of one listening socket.

    Args:
        paths: what a request line has to name.
        admit: takes the socket of one that did, still unread; False when there is no room.
        patience_s: how long a stranger may take for the line.
        capacity: how many may wait.
    """

    def __init__(
        self,
        paths: frozenset[bytes],
        admit: Callable[[socket.socket], bool],
        *,
        patience_s: float,
        capacity: int = STRANGERS,
    ) -> None:
        self._paths = paths
        self._admit = admit
        self._patience_s = patience_s
        self._capacity = capacity
        self._listener: socket.socket | None = None
        self._strangers: dict[socket.socket, asyncio.TimerHandle] = {}  # the oldest first
        self._watched: set[socket.socket] = set()
        self._loop = asyncio.get_running_loop()

    def open(self, listener: socket.socket) -> None:
        """Take in who comes to a socket that is listening already."""
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._listener = listener
        self._loop.add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Take in nobody more, and drop who waits."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for stranger in list(self._strangers):
            self._drop(stranger)

    def _accept(self, listener: socket.socket) -> None:
        if len(self._strangers) >= self._capacity:
            self._evict()
        try:
            stranger, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptor left: give one back, and let others do so
            self._evict()
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE_S, self._resume, listener)
            return
        stranger.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._strangers[stranger] = self._loop.call_later(self._patience_s, self._drop, stranger)
        self._look(stranger)

    def _resume(self, listener: socket.socket) -> None:
        if self._listener is listener:
            self._loop.add_reader(listener, self._accept, listener)

    def _evict(self) -> None:
        """Let go of the stranger that has waited longest, one way or the other."""
        oldest = next(iter(self._strangers), None)
        if oldest is not None:
            self._look(oldest)
            self._drop(oldest)

    def _look(self, stranger: socket.socket) -> None:
        """Decide what a stranger is by what it has sent; leave that for who reads it."""
        if stranger not in self._strangers:
            return
        try:
            line = stranger.recv(LINE_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            self._watch(stranger, self._look)
            return
        except OSError:
            line = b""
        named = _named(line) in self._paths
        if named and self._lets_in(stranger):
            return
        if named or b"\n" in line or len(line) >= LINE_BYTES:
            self._refuse(stranger, 503 if named else 404)
        elif line:
            # What was looked at stays there, so its arrival cannot be waited for.
            self._unwatch(stranger)
            self._loop.call_later(LOOK_AGAIN_S, self._look, stranger)
        else:
            self._drop(stranger)

    def _lets_in(self, stranger: socket.socket) -> bool:
        self._unwatch(stranger)  # whoever is let in is watched by another from here on
        if not self._admit(stranger):
            return False
        self._strangers.pop(stranger).cancel()
        return True

    def _refuse(self, stranger: socket.socket, status: int) -> None:
        try:
            stranger.send(ANSWERS[status])
            stranger.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(stranger)
            return
        self._strangers[stranger].cancel()
        self._strangers[stranger] = self._loop.call_later(LINGERING_S, self._drop, stranger)
        self._watch(stranger, self._discard)

    def _discard(self, stranger: socket.socket) -> None:
        try:
            ended = not stranger.recv(READ_BYTES)
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        if ended:
            self._drop(stranger)

    def _drop(self, stranger: socket.socket) -> None:
        if stranger in self._strangers:
            self._forget(stranger)
            with contextlib.suppress(OSError):
                stranger.recv(READ_BYTES)  # closed with something unread, it would be a reset
            stranger.close()

    def _forget(self, stranger: socket.socket) -> None:
        self._strangers.pop(stranger).cancel()
        self._unwatch(stranger)

    def _watch(self, stranger: socket.socket, then: Callable[[socket.socket], None]) -> None:
        self._watched.add(stranger)
        self._loop.add_reader(stranger, then, stranger)

    def _unwatch(self, stranger: socket.socket) -> None:
        if stranger in self._watched:
            self._watched.discard(stranger)
            self._loop.remove_reader(stranger)


def _named(line: bytes) -> bytes | None:
    """Return the path a request line names, None while it has not ended."""
    parts = line.split(b" ", 2)
    if len(parts) < 3:
        return None
    return path_of(parts[1])
