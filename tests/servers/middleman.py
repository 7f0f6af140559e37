"""A proxy that counts what passes, and can keep an answer to itself.

client --request--> middleman --the same--> server
client <--answer, or a closed connection--- middleman <--answer-- server
"""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class Passed(NamedTuple):
    """One request and the status of its answer."""

    method: str
    path: str
    status: int
    target: str
    """AWS's header `x-amz-target`, or nothing."""


class Middleman:
    """What passed so far, and what is to be cut.

    Attributes:
        url: where it listens.
        passed: oldest first.
        cut: which answers are kept back; none unless set.
        before: called with method, path and target before a request is passed on.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.passed: list[Passed] = []
        self.cut: Callable[[Passed], bool] = lambda _: False
        self.before: Callable[[str, str, str], None] = lambda _method, _path, _target: None

    def asked(self) -> list[str]:
        """Return method (or AWS operation) and status of what passed since the last call."""
        shown = [f"{p.target.partition('.')[2] or p.method} {p.status}" for p in self.passed]
        self.passed.clear()
        return shown


@contextmanager
def between(server: str) -> Iterator[Middleman]:
    """Stand in front of the server at a URL."""
    target = urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._pass_on()

        def _pass_on(self) -> None:
            aws = self.headers.get("x-amz-target", "")
            man.before(self.command, self.path, aws)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            upstream = http.client.HTTPConnection(
                target.hostname or "", target.port, timeout=PATIENCE_S
            )
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            passed = Passed(self.command, self.path, answer.status, aws)
            man.passed.append(passed)
            if man.cut(passed):
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with _serving(Handler) as url:
        man = Middleman(url)
        yield man


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
