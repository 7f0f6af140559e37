"""Admission control: a connection reaches the server once its request line names a known path.

    accept --> pending --names a known path-----> admit()
                  |------names another path-----> 404
                  |------names none in time-----> closed
                  +------is one too many--------> the oldest pending connection is read again,
                                                  then closed

Any process in the sandbox can open a thousand connections. Each takes one of the 1 024 descriptors
that Lambda allows, and the platform's deliveries must still get through. A pending connection takes
a socket, but no parser and no task. The oldest is evicted first. This spares the platform: it sends
its request line as soon as it is connected, so it is pending for less than a millisecond. A
connection whose request line has arrived is never closed unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from otlp2parquet_ext.extension.receive.http1 import ANSWERS, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

PENDING_CONNECTIONS = 64
"""Most pending connections; one more evicts the oldest."""

LINGERING_S = 0.5  # time to read on after an answer, so that no reset discards the answer
LOOK_AGAIN_S = 0.1
PAUSE_S = 0.1  # pause in accepting when no descriptor is left
READ_BYTES = 65_536
LINE_BYTES = 512
"""Most bytes of a request line that are read; every known path is shorter."""


class Admission:
    """The pending connections of one listening socket.

    Args:
        paths: the known paths; a request line has to name one of them.
        admit: takes the socket of an admitted connection, still unread; returns False when the
            server has no room.
        timeout_s: how long a connection may take to send its request line.
        capacity: how many connections may be pending.
    """

    def __init__(
        self,
        paths: frozenset[bytes],
        admit: Callable[[socket.socket], bool],
        *,
        timeout_s: float,
        capacity: int = PENDING_CONNECTIONS,
    ) -> None:
        self._paths = paths
        self._admit = admit
        self._timeout_s = timeout_s
        self._capacity = capacity
        self._listener: socket.socket | None = None
        self._pending: dict[socket.socket, asyncio.TimerHandle] = {}  # the oldest first
        self._watched: set[socket.socket] = set()
        self._loop = asyncio.get_running_loop()

    def open(self, listener: socket.socket) -> None:
        """Accept connections of a socket that is listening already."""
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._listener = listener
        self._loop.add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Accept no more connections, and close the pending ones."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for client in list(self._pending):
            self._drop(client)

    def _accept(self, listener: socket.socket) -> None:
        if len(self._pending) >= self._capacity:
            self._evict()
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # no descriptor is left: free one, and pause until others are free
            self._evict()
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE_S, self._resume, listener)
            return
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._pending[client] = self._loop.call_later(self._timeout_s, self._drop, client)
        self._look(client)

    def _resume(self, listener: socket.socket) -> None:
        if self._listener is listener:
            self._loop.add_reader(listener, self._accept, listener)

    def _evict(self) -> None:
        """Admit, refuse or close the connection that has been pending longest."""
        oldest = next(iter(self._pending), None)
        if oldest is not None:
            self._look(oldest)
            self._drop(oldest)

    def _look(self, client: socket.socket) -> None:
        """Admit or refuse a connection by its first bytes, which stay unread for the server."""
        if client not in self._pending:
            return
        try:
            line = client.recv(LINE_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            self._watch(client, self._look)
            return
        except OSError:
            line = b""
        named = _named(line) in self._paths
        if named and self._admitted(client):
            return
        if named or b"\n" in line or len(line) >= LINE_BYTES:
            self._refuse(client, 503 if named else 404)
        elif line:
            # The peeked bytes stay unread, so the socket stays readable and cannot signal new
            # bytes.
            self._unwatch(client)
            self._loop.call_later(LOOK_AGAIN_S, self._look, client)
        else:
            self._drop(client)

    def _admitted(self, client: socket.socket) -> bool:
        self._unwatch(client)  # the server watches an admitted connection from here on
        if not self._admit(client):
            return False
        self._pending.pop(client).cancel()
        return True

    def _refuse(self, client: socket.socket, status: int) -> None:
        try:
            client.send(ANSWERS[status])
            client.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(client)
            return
        self._pending[client].cancel()
        self._pending[client] = self._loop.call_later(LINGERING_S, self._drop, client)
        self._watch(client, self._discard)

    def _discard(self, client: socket.socket) -> None:
        try:
            ended = not client.recv(READ_BYTES)
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        if ended:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if client in self._pending:
            self._forget(client)
            with contextlib.suppress(OSError):
                client.recv(READ_BYTES)  # closing with unread bytes would send a reset
            client.close()

    def _forget(self, client: socket.socket) -> None:
        self._pending.pop(client).cancel()
        self._unwatch(client)

    def _watch(self, client: socket.socket, then: Callable[[socket.socket], None]) -> None:
        self._watched.add(client)
        self._loop.add_reader(client, then, client)

    def _unwatch(self, client: socket.socket) -> None:
        if client in self._watched:
            self._watched.discard(client)
            self._loop.remove_reader(client)


def _named(line: bytes) -> bytes | None:
    """Return the path a request line names, None while it has not ended."""
    parts = line.split(b" ", 2)
    if len(parts) < 3:
        return None
    return path_of(parts[1])
