"""A minimal Lambda: it answers at once, and calls a function at every `next`.

`otlp2parquet_ext.tools.local` is a complete environment, and its own work would be part of every
figure. This one costs the extension only three answers over a socket.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

REGISTERED = b'{"accountId":"012345678912","functionName":"orders","functionVersion":"$LATEST"}'
SHUTDOWN_MS = 2_000


def read_request(connection: socket.socket, rest: bytes = b"") -> tuple[bytes, bytes, bytes] | None:
    """Read a request; return head, body and further bytes; None if the client has closed."""
    data = rest
    while (end := data.find(b"\r\n\r\n")) < 0:
        chunk = connection.recv(65_536)
        if not chunk:
            return None
        data += chunk
    head, parts = data[:end], [data[end + 4 :]]
    length = int((_header(head, b"content-length") or b"0").strip())
    missing = length - len(parts[0])
    while missing > 0:
        chunk = connection.recv(min(missing, 1 << 20))
        if not chunk:
            return None
        parts.append(chunk)
        missing -= len(chunk)
    body = b"".join(parts)
    return head, body[:length], body[length:]


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """Return an answer's bytes."""
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value
    return None


class LambdaApi:
    """Extensions and Telemetry API for one extension.

    Args:
        on_next: called first at each request for an event.
        subscribe_status: HTTP status of the answer to the subscription.
    """

    def __init__(self, on_next: Callable[[], None], subscribe_status: int = 200) -> None:
        self._on_next = on_next
        self._subscribe_status = subscribe_status
        self._events: queue.Queue[bytes] = queue.Queue()
        self._asked = threading.Semaphore(0)
        self._told: dict[str, Any] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # ends a waiting `accept`
        self._listener.close()

    @property
    def receiver(self) -> tuple[int, str]:
        """Port and path for deliveries."""
        url = urlsplit(self._told["destination"]["URI"])
        return url.port or 80, url.path or "/"

    def wait_for_next(self, limit_s: float = 60.0) -> None:
        """Wait until the extension requests another event.

        Raises:
            TimeoutError: it does not request one in time.
        """
        if not self._asked.acquire(timeout=limit_s):
            raise TimeoutError("the extension asks for no event")

    def invoke(self, request_id: str, timeout_ms: int = 60_000) -> None:
        """Send an INVOKE."""
        self._tell("INVOKE", timeout_ms, requestId=request_id)

    def shut_down(self, window_ms: int = SHUTDOWN_MS) -> None:
        """Send SHUTDOWN."""
        self._tell("SHUTDOWN", window_ms, shutdownReason="spindown")

    def _tell(self, kind: str, within_ms: int, **more: str) -> None:
        deadline_ms = time.time_ns() // 1_000_000 + within_ms
        event = {"eventType": kind, "deadlineMs": deadline_ms, **more}
        self._events.put(json.dumps(event).encode())

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        with connection:
            try:
                while (request := read_request(connection, rest)) is not None:
                    head, body, rest = request
                    connection.sendall(self._answer(head, body))
            except OSError:  # it was killed
                return

    def _answer(self, head: bytes, body: bytes) -> bytes:
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/next"):
            self._on_next()
            self._asked.release()
            return answer(200, self._events.get())
        if path.endswith(b"/telemetry"):
            self._told = json.loads(body)
            return answer(self._subscribe_status, b'"OK"')
        return answer(200, REGISTERED, "Lambda-Extension-Identifier: 1")
