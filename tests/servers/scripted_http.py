"""A server with scripted bytes: it hangs, drips, resets, or answers nonsense."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT_S = 10


class Server:
    """See the module; `requests` are heads and bodies as they came, in the order of their ends."""

    def __init__(self, listener: socket.socket, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.sent_bytes = 0
        self.done = threading.Event()

    def receive(self, connection: socket.socket) -> bytes:
        """Read one request; b"" when there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65_536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
        parts = [body]
        while sum(map(len, parts)) < length:
            parts.append(connection.recv(65_536))
        request = head + b"\r\n\r\n" + b"".join(parts)
        self.requests.append(request)
        return request


@contextmanager
def running(
    play: Callable[[Server, socket.socket], None], *, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Run a server.

    Args:
        play: what happens on each connection, which is closed afterwards.
        tls: for https.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener, "https" if tls else "http")

    def one(connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_S)
        with contextlib.suppress(OSError), connection:
            if tls:
                with tls.wrap_socket(connection, server_side=True) as secure:
                    play(server, secure)
            else:
                play(server, connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.connections += 1
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.done.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(TIMEOUT_S)


def answer(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """Return an answer; underscores in names of headers stand for dashes."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(answers: Sequence[bytes]) -> Callable[[Server, socket.socket], None]:
    """Return a play that gives the answers in order, on however many connections; then the last."""

    def play(server: Server, connection: socket.socket) -> None:
        while server.receive(connection):
            connection.sendall(answers[min(len(server.requests), len(answers)) - 1])

    return play
