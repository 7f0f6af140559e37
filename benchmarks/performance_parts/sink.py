"""A server for forwarded telemetry: it accepts each request, waits, answers 200, records sizes."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from performance_parts.lambda_api import answer, read_request

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink:
    """An HTTP server that answers after `delay_ms`.

    Attributes:
        sizes: bytes of each accepted body.
    """

    def __init__(self, delay_ms: float) -> None:
        self._delay_s = delay_ms / 1_000
        self.sizes: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # ends a waiting `accept`
        self._listener.close()

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
                    _, body, rest = request
                    time.sleep(self._delay_s)
                    self.sizes.append(len(body))
                    connection.sendall(answer(200, b"", 'ETag: "0"'))
            except OSError:
                return


@contextmanager
def running(delay_ms: float = 0.0) -> Iterator[Sink]:
    """Run a sink."""
    sink = Sink(delay_ms)
    try:
        yield sink
    finally:
        sink.close()
