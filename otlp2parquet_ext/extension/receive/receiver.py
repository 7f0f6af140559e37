"""The HTTP server for Lambda's deliveries: it checks the request and passes the body on.

    admission --known path--> POST /t/<unguessable> --deliver(body)--> 200, with it in the spool

Every answer closes its connection. A connection that stays open through a freeze may be dead when
Lambda next writes to it, and that delivery would be lost. A complete body is answered 200 whatever
it holds, because a retry cannot improve it; an unreadable one becomes a row that reports it.
Everything has a limit: pending connections (admission.py), clients served, the head and body of a
request, all bodies together, and the time for each.

This server uses no library (docs/decisions/0018-a-receiver-of-our-own.md): a client is a socket, a
reader (http1.py) and a timer. Most deliveries are read, stored in the spool and answered in one
callback.

Source: AWS Lambda Developer Guide, "Telemetry API", destination and delivery.
"""

from __future__ import annotations

import asyncio
from socket import SHUT_WR
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.extension.receive.admission import LINGERING_S, READ_BYTES, Admission
from otlp2parquet_ext.extension.receive.body_limits import Bodies, Body, TooLongError, TooMuchError
from otlp2parquet_ext.extension.receive.http1 import (
    ANSWERS,
    CONTINUE,
    BadRequestError,
    RequestReader,
)
from otlp2parquet_ext.extension.receive.over_long import FIRST_BYTES, OverLong

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from otlp2parquet_ext.extension.receive.http1 import Head

HEADER_TIMEOUT_S = 5.0
BODY_TIMEOUT_S = 10.0
SMALLEST_BODY_LIMIT = 4_194_304
CONNECTIONS = 32
READS = 4
"""Most reads from one client before other clients are served."""

LATE_READS = 128
"""Most reads from a client whose time is over; the kernel buffers less than that for one
connection."""


def body_limit_bytes(platform_max_bytes: int) -> int:
    """Return the longest body in bytes: Lambda may send twice its buffer plus envelopes."""
    return max(SMALLEST_BODY_LIMIT, 2 * platform_max_bytes + 262_144)


class _Client:
    """One connection, for one request and one answer."""

    __slots__ = ("answered", "body", "first", "request", "socket", "timer", "too_long", "watched")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.request = RequestReader()
        self.body = Body()
        self.timer: asyncio.TimerHandle | None = None
        self.answered = self.watched = False
        self.too_long = 0  # length of a body that exceeds the limit, else 0
        self.first = b""  # the first bytes of such a body


class Receiver:
    """Telemetry deliveries on one listening socket.

    Args:
        deliver: takes a complete body; when it returns, the body is in the spool or counted as
            lost.
        paths: where deliveries are accepted.
        limit_bytes: most bytes of a body that is read.
        refused: called with the length of an over-long body, as far as it is known; once per body,
            however often Lambda repeats it.
        header_timeout_s, body_timeout_s: longest time for the request line and the headers, and for
            the body, even if bytes keep arriving.
        connections: most admitted clients at a time.
    """

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        paths: frozenset[str],
        limit_bytes: int,
        *,
        refused: Callable[[int], None],
        header_timeout_s: float = HEADER_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
        connections: int = CONNECTIONS,
    ) -> None:
        self._deliver = deliver
        self._paths = frozenset(path.encode() for path in paths)
        self._bodies = Bodies(limit_bytes)
        self._refused = refused
        self._over_long = OverLong()
        self._header_timeout_s = header_timeout_s
        self._body_timeout_s = body_timeout_s
        self._connections = connections
        self._door: Admission | None = None
        self._clients: set[_Client] = set()

    async def start(self, listener: socket.socket) -> None:
        """Serve a socket that already listens; connections queued by the kernel come first."""
        self._door = Admission(self._paths, self._admit, timeout_s=self._header_timeout_s)
        self._door.open(listener)

    def stop(self) -> None:
        """Stop accepting connections and close the open ones."""
        if self._door is not None:
            self._door.close()
        for client in list(self._clients):
            self._drop(client)

    def _admit(self, connection: socket.socket) -> bool:
        if len(self._clients) >= self._connections:
            return False
        client = _Client(connection)
        self._clients.add(client)
        self._read(client)
        if client in self._clients and not client.answered:
            self._watch(client)
            if client.timer is None:
                self._give(client, self._header_timeout_s, self._late)
        return True

    def _watch(self, client: _Client) -> None:
        if not client.watched:
            client.watched = True
            asyncio.get_running_loop().add_reader(client.socket, self._read_on, client)

    def _give(self, client: _Client, seconds: float, then: Callable[[_Client], None]) -> None:
        """Set the client's timer: call `then` after `seconds`."""
        if client.timer is not None:
            client.timer.cancel()
        client.timer = asyncio.get_running_loop().call_later(seconds, then, client)

    def _late(self, client: _Client) -> None:
        """Read what a late client has sent, for a freeze may have delayed us; then close it."""
        self._read_on(client, LATE_READS)
        if client.answered or client not in self._clients:
            return
        if client.request.head is None:
            self._drop(client)
        elif client.too_long:
            self._refuse(client)
        else:
            self._answer(client, 408)

    def _read_on(self, client: _Client, reads: int = READS) -> None:
        for _ in range(reads):
            if not self._read(client):
                return

    def _read(self, client: _Client) -> bool:
        """Read once; return whether more bytes may be ready."""
        try:
            data = client.socket.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return False
        if not client.answered:  # else it is read only so that no reset discards the answer
            self._take(client, data)
        return len(data) == READ_BYTES and client in self._clients

    def _take(self, client: _Client, data: bytes) -> None:
        piece = b""
        try:
            new, piece = client.request.head is None, client.request.feed(data)
            if client.too_long:
                self._recognise(client, piece)
                return
            status = self._judge(client, client.request.head, piece, new=new)
        except BadRequestError:
            status = 400
        except OSError:  # it closed before it got `100 Continue`
            self._drop(client)
            return
        except TooMuchError:
            status = 503
        except TooLongError as error:
            client.too_long = error.size_bytes
            self._give(client, LINGERING_S, self._late)
            self._recognise(client, client.body.whole() or piece)
            return
        if status:
            self._answer(client, status)

    def _recognise(self, client: _Client, piece: bytes) -> None:
        """Collect the first bytes of an over-long body; refuse it when they are complete."""
        client.first += piece[: FIRST_BYTES - len(client.first)]
        head = client.request.head
        assert head is not None
        if len(client.first) >= FIRST_BYTES or head.expects or client.request.complete:
            self._refuse(client)

    def _refuse(self, client: _Client) -> None:
        """Answer 413 to an over-long body, and count it unless it was counted before."""
        self._count_refused(client)
        self._answer(client, 413)

    def _count_refused(self, client: _Client) -> None:
        head = client.request.head
        if self._over_long.is_new(head.length if head else None, client.first):
            self._refused(client.too_long)

    def _judge(self, client: _Client, head: Head | None, piece: bytes, *, new: bool) -> int:
        """Return the status of the answer; 0 while the request is incomplete.

        Raises:
            TooLongError, TooMuchError: its body is refused.
        """
        if head is None:
            return 0
        complete = client.request.complete
        if new:
            if status := self._refusal(head):
                return status
            if not complete:
                self._give(client, self._body_timeout_s, self._late)
                if head.expects:
                    client.socket.send(CONTINUE)
        if complete and not client.body.size_bytes:
            self._bodies.announce(len(piece))
            return self._status_of(piece)
        self._bodies.add(client.body, piece)
        if not complete:
            return 0
        body = client.body.whole()
        self._release_body(client)
        return self._status_of(body)

    def _refusal(self, head: Head) -> int:
        """Return the status of a refusal that the head alone justifies; 0 for none."""
        if head.path not in self._paths:
            return 404
        if head.method != b"POST":
            return 405
        if head.length is None and not head.chunked:
            return 411
        self._bodies.announce(head.length)
        return 0

    def _status_of(self, body: bytes) -> int:
        try:
            self._deliver(body)
        except Exception as error:  # noqa: BLE001 - a bug of ours costs one delivery; it comes again
            log(
                "error",
                f"a delivery of {len(body)} bytes is refused: {type(error).__name__}: "
                f"{quote(error)}",
            )
            return 500
        return 200

    def _answer(self, client: _Client, status: int) -> None:
        """Answer, then close; a client that may still send is read on, to prevent a reset."""
        client.answered = True
        self._release_body(client)
        try:
            client.socket.send(ANSWERS[status])
            if client.request.complete and not client.request.rest:
                self._drop(client)
                return
            client.socket.shutdown(SHUT_WR)
        except OSError:
            self._drop(client)
            return
        self._watch(client)
        self._give(client, LINGERING_S, self._drop)

    def _release_body(self, client: _Client) -> None:
        if client.body.size_bytes:
            self._bodies.release(client.body.size_bytes)
            client.body = Body()

    def _drop(self, client: _Client) -> None:
        if client not in self._clients:
            return
        self._clients.discard(client)
        if client.too_long and not client.answered:  # it left before it was answered
            self._count_refused(client)
        self._release_body(client)
        if client.timer is not None:
            client.timer.cancel()
        if client.watched:
            asyncio.get_running_loop().remove_reader(client.socket)
        client.socket.close()
