"""HTTP requests over kept connections: one request, one response.

    request → an idle connection, if it still lives, else a new one → send → read → keep it

Lambda freezes an execution environment between invocations, and its idle connections may die
unnoticed. So an idle connection is used again only if it is young by the wall clock and has nothing
to read. If it breaks nevertheless, the request fails: the server may have acted on it already.

Source: RFC 9110 section 9.2.2 (idempotent methods), RFC 9112 section 9.3 (persistence).
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.lake.http import answer
from otlp2parquet_ext.lake.http.address import split
from otlp2parquet_ext.lake.http.clear_text import clear_text
from otlp2parquet_ext.lake.http.connection import Connection, steady_ms, tls_context, unreachable
from otlp2parquet_ext.lake.http.limits import (
    DECODED_TIMES,
    OBJECT_BYTES,
    decodes_beyond,
    memory_limit_bytes,
    usual_limit,
)
from otlp2parquet_ext.lake.http.response import ResponseTooLongError, WebError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from otlp2parquet_ext.lake.http.address import HttpAddress, HttpOrigin
    from otlp2parquet_ext.lake.http.limits import AnswerLimit
    from otlp2parquet_ext.lake.http.response import BytesLike, Response

IDLE_CONNECTIONS = 8
"""Most idle connections to keep, to all servers together."""

IDLE_MS = 15_000
"""Longest time to keep an idle connection: S3 closes it after about 20 s, even during a freeze."""

DECIDED_MS = 1_000
"""Longest time to read the body when only the status matters: then only messages quote the body."""

JOINED_BYTES = 16_384
"""Longest body that is joined with the head into one send; for a longer body, the copy costs more
than a second send."""


_Request = tuple[str, bytes, "BytesLike", "AnswerLimit"]
"""Method, head, body, and the limit of the response."""


class _Idle(NamedTuple):
    """An idle connection, with the time it became idle on two clocks.

    The wall clock runs on during a freeze, but may be set. The monotonic clock cannot be set.
    """

    connection: Connection
    since_ms: float
    since_steady_ms: float

    def old(self, now_ms: float, now_steady_ms: float) -> bool:
        """Return whether either clock shows too long an idle time, or the wall clock went back."""
        quiet_ms = now_ms - self.since_ms
        return not 0 <= quiet_ms <= IDLE_MS or now_steady_ms - self.since_steady_ms > IDLE_MS


class RequestObserver(Protocol):
    """Observes requests, on the threads that send them."""

    def sent(self) -> AbstractContextManager[None]:
        """Return a context manager that is active while a request waits for its response."""

    def failed(self) -> None:
        """Observe a failure: no response, or status 429 or 5xx."""


class Client:
    """Sends requests; several threads may use it at once.

    Args:
        ca_file: a file of certificates to trust instead of the system's, as `AWS_CA_BUNDLE`.
        body_bytes: longest body of any response; a request's own limit may be lower.
        watch: observes each request, on the thread that sends it.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        body_bytes: int = OBJECT_BYTES,
        watch: RequestObserver | None = None,
    ) -> None:
        self._watch = watch
        self._ca_file = ca_file
        self._body_bytes = body_bytes
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._tls: ssl.SSLContext | None = None
        self._warned: set[str] = set()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: BytesLike = b"",
        deadline_ms: int,
        limit: AnswerLimit | None = None,
    ) -> Response:
        """Send a request once and return the response, with any status; follow no redirects.

        The wall clock is read once, for the deadline: a later change of it has no effect.

        Args:
            method: in capitals.
            url: percent-encoded.
            headers: headers other than Host, Content-Length and Connection, which are added here.
            body: the request's body.
            deadline_ms: Unix ms; without a response by then, the request fails.
            limit: longest body of a successful response; None for `usual_limit`.

        Raises:
            ResponseTooLongError: the response exceeds its limit.
            WebError: there is no response; the request was sent once at most.
        """
        address, limit = split(url), limit or usual_limit(method)
        limit = limit._replace(size_bytes=min(limit.size_bytes, self._body_bytes))
        until_ms = steady_ms() + deadline_ms - time.time() * 1_000
        head = _head(method, address, headers or {}, len(memoryview(body).cast("B")))
        try:
            with nullcontext() if self._watch is None else self._watch.sent():
                response = self._request(address.origin, (method, head, body, limit), until_ms)
        except WebError:
            self._note_failure()
            raise
        if response.status == 429 or response.status >= 500:
            self._note_failure()
        most_bytes = DECODED_TIMES * self._body_bytes
        if limit.decoded and decodes_beyond(response.body, most_bytes):
            problem = f"decoded, its body would exceed the limit of {most_bytes} bytes"
            where = f"{method} at {_at(address.origin)}"
            raise ResponseTooLongError(f"{where} was not answered: {problem}", sent=True)
        return response

    def warn_of_clear_text(self, url: str, secret: str) -> None:
        """Log a warning, once for each secret, if it would go unencrypted; see `clear_text`."""
        line = clear_text(url, secret)
        with self._lock:
            new = bool(line) and secret not in self._warned
            self._warned |= {secret} if new else set()
        if new:
            log("warning", line)

    def _note_failure(self) -> None:
        if self._watch is not None:
            self._watch.failed()

    def _request(self, origin: HttpOrigin, request: _Request, until_ms: float) -> Response:
        connection = self._connected(origin, until_ms)
        try:
            answered = _exchange(connection, request, until_ms)
        except BaseException:
            connection.close()
            raise
        if answered.reusable:
            self._keep(connection)
        else:
            connection.close()
        return answered.response

    def _connected(self, origin: HttpOrigin, until_ms: float) -> Connection:
        """Return an idle connection that still lives, or a new one."""
        while (connection := self._take(origin)) is not None:
            if connection.quiet():
                connection.mistrust()
                return connection
            connection.close()
        try:
            tls = self._context() if origin.scheme == "https" else None
            return Connection(origin, tls, until_ms)
        except OSError as error:
            raise unreachable(origin, error) from error

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                try:
                    self._tls = tls_context(self._ca_file)
                except OSError as error:
                    message = f"the certificates in {self._ca_file} cannot be used: {quote(error)}"
                    raise WebError(message, sent=False) from error
            return self._tls

    def _take(self, origin: HttpOrigin) -> Connection | None:
        """Return the most recently used idle connection, which most probably still lives."""
        with self._lock:
            self._forget()
            for number in reversed(range(len(self._idle))):
                if self._idle[number].connection.origin == origin:
                    return self._idle.pop(number).connection
        return None

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            self._forget()
            self._idle.append(_Idle(connection, time.time() * 1_000, steady_ms()))
            while len(self._idle) > IDLE_CONNECTIONS:
                self._idle.pop(0).connection.close()

    def _forget(self) -> None:
        """Close the connections that have been idle for too long."""
        now_ms, now_steady_ms = time.time() * 1_000, steady_ms()
        for idle in self._idle:
            if idle.old(now_ms, now_steady_ms):
                idle.connection.close()
        self._idle = [idle for idle in self._idle if not idle.old(now_ms, now_steady_ms)]

    def close(self) -> None:
        """Close idle connections; the client can be used again."""
        with self._lock:
            while self._idle:
                self._idle.pop().connection.close()


def new_client(environ: Mapping[str, str], watch: RequestObserver | None = None) -> Client:
    """Return a client; `AWS_CA_BUNDLE` or `SSL_CERT_FILE` may name the certificates to trust."""
    ca_file = environ.get("AWS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    most = memory_limit_bytes(environ)
    return Client(ca_file=ca_file, body_bytes=most, watch=watch)


def _head(method: str, address: HttpAddress, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a request.

    Raises:
        WebError: a header holds characters that would end it early and change the request.
    """
    lines = [f"{method} {address.target} HTTP/1.1", f"Host: {address.origin.authority}"]
    for name, value in headers.items():
        if name.lower() in ("host", "content-length", "connection"):
            continue
        if not name.isascii() or any(c in name + value for c in "\r\n\0"):
            raise WebError(f"the header {name!r} cannot be sent", sent=False)
        lines.append(f"{name}: {value}")
    if length or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")


def _exchange(connection: Connection, request: _Request, until_ms: float) -> answer.Exchanged:
    """Send a request and read its response, until a time of the monotonic clock."""
    method, head, body, limit = request
    broken: OSError | None = None
    try:
        _send(connection, head, body, until_ms)
    except TimeoutError as error:
        raise _unanswered(connection.origin, method, error) from error
    except OSError as error:
        broken = error  # a server may respond and close before it has read the whole request

    def decided() -> None:
        nonlocal until_ms
        until_ms = min(until_ms, steady_ms() + DECIDED_MS)

    try:
        answered = answer.read(lambda: connection.receive(until_ms), method, limit, decided)
    except (OSError, answer.MalformedError) as error:
        raise _unanswered(connection.origin, method, broken or error) from error
    return answered if broken is None else answered._replace(reusable=False)


def _send(connection: Connection, head: bytes, body: BytesLike, until_ms: float) -> None:
    if len(memoryview(body).cast("B")) <= JOINED_BYTES:
        connection.send(head + bytes(body), until_ms)
    else:
        connection.send(head, until_ms)
        connection.send(body, until_ms)


def _unanswered(origin: HttpOrigin, method: str, error: Exception) -> WebError:
    cause = (
        "no answer within the time there was" if isinstance(error, TimeoutError) else quote(error)
    )
    kind = ResponseTooLongError if isinstance(error, answer.BodyTooLongError) else WebError
    return kind(f"{method} at {_at(origin)} was not answered: {cause}", sent=True)


def _at(origin: HttpOrigin) -> str:
    return f"{origin.scheme}://{origin.authority}"
