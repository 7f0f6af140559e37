"""Makes deliveries as the platform does: POSTs over connections that stay open if allowed."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ANSWER_BYTES = 65_536


class Deliverer:
    """Posts bodies to one receiver.

    Args:
        port, path: of the receiver.
    """

    def __init__(self, port: int, path: str) -> None:
        self._address = ("127.0.0.1", port)
        self._head = f"POST {path} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
        self._connection: socket.socket | None = None

    def post(self, body: bytes) -> None:
        """Deliver one body.

        Raises:
            ConnectionError: it was not acknowledged.
        """
        connection = self._connection or socket.create_connection(self._address, timeout=60)
        self._connection = None
        connection.sendall(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        said = b""
        while b"\r\n\r\n" not in said:
            chunk = connection.recv(ANSWER_BYTES)
            if not chunk:
                raise ConnectionError(f"no answer to a delivery of {len(body)} bytes")
            said += chunk
        if b" 200 " not in said.split(b"\r\n")[0] + b" ":
            raise ConnectionError(said[:200].decode("latin-1"))
        if b"connection: close" in said.lower():
            connection.close()
        else:
            self._connection = connection


def post_all(port: int, path: str, bodies: Iterable[bytes], connections: int = 1) -> float:
    """Deliver bodies as fast as they are accepted; return the duration in seconds.

    Args:
        port, path: of the receiver.
        bodies: in order, shared by all connections.
        connections: number of concurrent connections.
    """
    waiting = iter(list(bodies))
    failures: list[Exception] = []

    def work() -> None:
        deliverer = Deliverer(port, path)
        try:
            while (body := next(waiting, None)) is not None:
                deliverer.post(body)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started_s
