"""A function URL on this machine: HTTP in front, a function's process behind.

    client --HTTP--> event --/invocation/next--> the process --/response--> HTTP --> client

As on Lambda an environment has one request at a time; what fails is answered 502.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NEXT = "/2018-06-01/runtime/invocation/next"
ANSWER_S = 60


class Environment:
    """One execution environment.

    Attributes:
        events: what the process was given, in order.
    """

    def __init__(self, timeout_ms: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._timeout_ms = timeout_ms
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: dict[str, queue.Queue[tuple[bool, bytes]]] = {}
        self._turn = threading.Lock()

    def invoke(self, event: dict[str, Any]) -> tuple[bool, bytes]:
        """Let the process answer an event; False with its error when it failed."""
        id_ = str(uuid.uuid4())
        with self._turn:
            self.events.append(event)
            answer = self._answers[id_] = queue.Queue()
            self._waiting.put((id_, json.dumps(event).encode()))
            return answer.get(timeout=ANSWER_S)

    def next(self) -> tuple[dict[str, str], bytes]:
        """Wait for an event: its headers and its text."""
        id_, event = self._waiting.get()
        deadline_ms = time.time_ns() // 1_000_000 + self._timeout_ms
        headers = {
            "Lambda-Runtime-Aws-Request-Id": id_,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        }
        return headers, event

    def answered(self, path: str, body: bytes) -> None:
        """Take what the process posts: `…/invocation/ID/response` or `…/error`."""
        *_, id_, kind = path.split("/")
        if id_ in self._answers:
            self._answers[id_].put((kind == "response", body))


@contextmanager
def _serving(handle: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    """Serve HTTP on a port of its own; yield host and port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            handle(self, self.rfile.read(length))

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - its names are the base class's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _reply(
    handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running(
    command: Sequence[str],
    environ: Mapping[str, str],
    make_event: Callable[[str, str, bytes, Mapping[str, str]], dict[str, Any]],
    *,
    timeout_ms: int = 30_000,
) -> Iterator[tuple[str, Environment]]:
    """Run a function behind a URL.

    Args:
        command: its process, which speaks the Runtime API.
        environ: its variables.
        make_event: makes the event of a request, from method, path, body and headers.
        timeout_ms: the function's.
    """
    environment = Environment(timeout_ms)

    def runtime_api(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path == NEXT:
            _reply(handler, 200, *environment.next())
        else:
            environment.answered(handler.path, body)
            _reply(handler, 202, {}, b'{"status":"OK"}')

    def url(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        path = handler.path.partition("?")[0]
        event = make_event(handler.command, path, body, dict(handler.headers.items()))
        succeeded, said = environment.invoke(event)
        if not succeeded:
            _reply(handler, 502, {}, b"Internal Server Error")
            return
        answer = json.loads(said)
        text = answer["body"].encode()
        sent = base64.b64decode(text) if answer["isBase64Encoded"] else text
        _reply(handler, answer["statusCode"], answer["headers"], sent)

    with _serving(runtime_api) as api, _serving(url) as address:
        variables = {"PATH": os.environ["PATH"], **environ, "AWS_LAMBDA_RUNTIME_API": api}
        process = subprocess.Popen(command, env=variables)
        try:
            yield f"http://{address}", environment
        finally:
            process.kill()
            process.wait()
