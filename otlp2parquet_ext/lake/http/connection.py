"""One connection, with a deadline for each operation.

    resolve (in a thread, because it cannot be cancelled) → connect → TLS → send, receive

Deadlines are ms of the monotonic clock (`steady_ms`), because the wall clock may be set during a
wait. A deadline holds for the whole operation, not for each byte: a server that sends one byte a
second cannot extend it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.lake.http.address import HttpOrigin
    from otlp2parquet_ext.lake.http.response import BytesLike

    Found = tuple[int, int, int, str, tuple[object, ...]]

CONNECT_MS = 3_000
"""Longest time to connect to one address; the next address, or a retry, gets the time left."""

SILENCE_MS = 20_000
"""Longest wait without a byte sent or received: the connection is then probably dead, and a retry
on a new one may succeed."""

IDLE_SILENCE_MS = 5_000
"""Longest wait for the first byte of a response on a connection that was idle. The connection may
have died unnoticed during a freeze, and a retry uses a new one."""

RECEIVE_BYTES = 65_536
KNOWN_BUNDLES = (
    "/etc/pki/tls/certs/ca-bundle.crt",  # Amazon Linux
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
)


def steady_ms() -> float:
    """Return ms of the monotonic clock, which cannot be set; it may stop during a freeze."""
    return time.monotonic() * 1_000


def seconds_until(deadline_ms: float) -> float:
    """Return the seconds until the deadline.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left_s = (deadline_ms - steady_ms()) / 1_000
    if left_s <= 0:
        raise TimeoutError("no answer within the time there was")
    return left_s


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies servers; making it takes milliseconds, so make it once.

    Args:
        ca_file: a file with the only certificates to trust; None for OpenSSL's configured ones, or
            else the system's.

    Raises:
        OSError: `ca_file` is missing or has no certificates (also ssl.SSLError).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
        return context
    context.set_default_verify_paths()
    bundle = next(filter(os.path.exists, KNOWN_BUNDLES), None)
    if not context.cert_store_stats()["x509_ca"] and bundle:
        context.load_verify_locations(bundle)
    return context


class Connection:
    """A connected socket.

    Args:
        origin: the server.
        tls: the TLS context; None for plain `http`.
        deadline_ms: time to give up, on the clock of `steady_ms`.

    Raises:
        OSError: there is no connection (also TimeoutError, socket.gaierror, ssl.SSLError).
    """

    def __init__(self, origin: HttpOrigin, tls: ssl.SSLContext | None, deadline_ms: float) -> None:
        self.origin = origin
        self._silence_ms = SILENCE_MS
        self._socket = _connect(_resolve(origin, deadline_ms), deadline_ms)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self._socket.settimeout(seconds_until(deadline_ms))
                host = origin.host.encode("ascii")  # see `_look_up`
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except BaseException:
            self._socket.close()
            raise

    def send(self, data: BytesLike, deadline_ms: float) -> None:
        """Send all of `data`."""
        with memoryview(data) as view:
            sent = 0
            while sent < view.nbytes:
                self._socket.settimeout(self._timeout_s(deadline_ms))
                sent += self._socket.send(view[sent:])

    def receive(self, deadline_ms: float) -> bytes:
        """Return the next received bytes, b"" at the end of the connection."""
        self._socket.settimeout(self._timeout_s(deadline_ms))
        data = self._socket.recv(RECEIVE_BYTES)
        self._silence_ms = SILENCE_MS
        return data

    def quiet(self) -> bool:
        """Return whether the connection is open with nothing to read, as an idle one should be."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def _timeout_s(self, deadline_ms: float) -> float:
        return min(seconds_until(deadline_ms), self._silence_ms / 1_000)

    def mistrust(self) -> None:
        """Use the shorter `IDLE_SILENCE_MS` until the server has sent a byte."""
        self._silence_ms = IDLE_SILENCE_MS

    def close(self) -> None:
        """Close the socket at once, without a TLS close message."""
        with contextlib.suppress(OSError):
            self._socket.close()


def _resolve(origin: HttpOrigin, deadline_ms: float) -> Sequence[Found]:
    """Return a host's addresses.

    The C library's resolver has no deadline, so a thread calls it. After the deadline the caller
    stops waiting, and the thread ends with the resolver's own timeouts.
    """
    try:
        return _look_up(origin, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # the host is a name, not an address
    answer: list[Sequence[Found] | OSError] = []

    def look_up() -> None:
        try:
            answer.append(_look_up(origin, socket.AI_ADDRCONFIG))
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds_until(deadline_ms))
    if not answer:
        raise TimeoutError("its name was not resolved within the time there was")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


def _look_up(origin: HttpOrigin, flags: int) -> Sequence[Found]:
    host = origin.host.encode("ascii")  # with a str, Python would import the IDNA tables
    return socket.getaddrinfo(host, origin.port, type=socket.SOCK_STREAM, flags=flags)


def _connect(found: Sequence[Found], deadline_ms: float) -> socket.socket:
    """Return a socket connected to the first address that answers."""
    problem: OSError = OSError("its name has no addresses")
    for family, kind, protocol, _, address in found:
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(min(seconds_until(deadline_ms), CONNECT_MS / 1_000))
            connected.connect(address)
        except OSError as error:
            connected.close()
            problem = error
        else:
            return connected
    raise problem


def unreachable(origin: HttpOrigin, error: OSError) -> WebError:
    """Return the error for a failed connection; nothing was sent."""
    late = isinstance(error, TimeoutError)
    cause = "no connection within the time there was" if late else quote(error)
    return WebError(f"{origin.scheme}://{origin.authority} cannot be reached: {cause}", sent=False)
