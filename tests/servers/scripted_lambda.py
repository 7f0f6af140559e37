"""A small Lambda with scripted answers; the extension is the real process.

`otlp2parquet_ext.tools.local` behaves as Lambda should. This one misbehaves as scripted: wrong
statuses, bodies that no platform would send, `next` that fails.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reserved_port import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WAIT_S = 20.0
LAUNCHER = Path(__file__).parents[2] / "extension" / "otlp2parquet"
LAYER = os.environ.get("TEST_EXTENSION", "")
"""The executable of an unpacked layer, to run the same tests on what is shipped."""
COMMAND = (LAYER,) if LAYER else (sys.executable, str(LAUNCHER))


@dataclass
class Answer:
    """The answer to one call."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


REGISTERED = Answer(
    body=b'{"accountId":"012345678912"}', headers={"Lambda-Extension-Identifier": "7"}
)
SUBSCRIBED = Answer(body=b'"OK"')


def invoke(request_id: str, timeout_ms: int = 3_000) -> Answer:
    """Make an INVOKE event."""
    event = {"eventType": "INVOKE", "requestId": request_id, "deadlineMs": now_ms() + timeout_ms}
    return Answer(body=json.dumps(event).encode())


def shutdown(window_ms: int | None = 2_000, reason: str | None = "SPINDOWN") -> Answer:
    """Make a SHUTDOWN event, with the content type Lambda gives it; what is None is left out."""
    event: dict[str, object] = {"eventType": "SHUTDOWN"}
    if reason is not None:
        event["shutdownReason"] = reason
    if window_ms is not None:
        event["deadlineMs"] = now_ms() + window_ms
    return Answer(body=json.dumps(event).encode(), headers={"Content-Type": "text/plain"})


def event(record: object, kind: str = "function", at: str = "2026-03-14T09:26:53.540Z") -> bytes:
    """Make a delivery of one event."""
    return json.dumps([{"time": at, "type": kind, "record": record}]).encode()


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time.time_ns() // 1_000_000


class ScriptedLambda:
    """The Extensions and Telemetry APIs on a free port.

    Args:
        register, subscribe: answers in order; the last one is repeated.

    Attributes:
        events: answers to `next`, in order; `next` waits while it is empty.
        asked: (method, path, headers, body) of every call.
    """

    def __init__(
        self,
        register: Sequence[Answer] = (REGISTERED,),
        subscribe: Sequence[Answer] = (SUBSCRIBED,),
    ) -> None:
        self.events: queue.Queue[Answer] = queue.Queue()
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.waiting = threading.Semaphore(0)
        self._answers = {"register": list(register), "telemetry": list(subscribe)}
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Looks every answer up in the script."""

            def handle_one_request(self) -> None:
                """Read one request and answer it; a client that left is no error."""
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                """Answer `next`."""
                self._note()
                scripted.waiting.release()
                self._send(scripted.events.get())

            def do_POST(self) -> None:
                """Answer `register`, `init/error` and `exit/error`."""
                self._note()
                answers = scripted._answers.get(self.path.rsplit("/", 1)[-1], [Answer(202)])
                self._send(answers.pop(0) if len(answers) > 1 else answers[0])

            do_PUT = do_POST  # noqa: N815 - the name is the server's

            def _note(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.asked.append((self.command, self.path, dict(self.headers), body))

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def start(
        self,
        folder: Path,
        *,
        command: Sequence[str] = COMMAND,
        **variables: str,
    ) -> Extension:
        """Start the extension; its lake and spool are below `folder`."""
        port = ReservedPort()
        environ = {
            "PATH": "/usr/bin:/bin",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.port}",
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_REGION": "eu-west-1",
            "OTLP2PARQUET_DESTINATION": f"file://{folder}/lake",
            "OTLP2PARQUET_SPOOL_DIR": str(folder / "tmp"),
            "RECEIVER_PORT": str(port),
        } | variables
        process = subprocess.Popen(
            command,
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Extension(self, process, port)

    def destination(self) -> tuple[int, str]:
        """Return (port, path) to which the extension wants its telemetry sent."""
        subscription = next(body for _, path, _, body in self.asked if path.endswith("/telemetry"))
        url = urlsplit(json.loads(subscription)["destination"]["URI"])
        return url.port or 80, url.path


@dataclass
class Extension:
    """The running extension.

    Attributes:
        receiver_port: the port that it has to receive on.
        lines: its log lines, once it has ended.
    """

    lambda_: ScriptedLambda
    process: subprocess.Popen[str]
    receiver_port: ReservedPort
    lines: list[str] = field(default_factory=list)
    _read: bytes = b""

    def until_said(self, text: str) -> None:
        """Wait until it logs a line with this text, before its end."""
        assert self.process.stderr is not None
        descriptor, until_s = self.process.stderr.fileno(), time.monotonic() + WAIT_S
        while not any(text in line for line in self._read.decode().splitlines()):
            left_s = max(0.0, until_s - time.monotonic())
            ready, _, _ = select.select([descriptor], [], [], left_s)
            data = os.read(descriptor, 65_536) if ready else b""
            assert data, f"it did not say {text!r}: {self._read.decode()}"
            self._read += data

    def until_next(self) -> None:
        """Wait until it asks for the next event once more."""
        assert self.lambda_.waiting.acquire(timeout=WAIT_S), "the extension asks for no event"

    def post(self, body: bytes, path: str | None = None) -> int:
        """Deliver a body as the platform does; return the status."""
        port, own_path = self.lambda_.destination()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("POST", path or own_path, body)
        status = connection.getresponse().status
        connection.close()
        return status

    def end(self) -> int:
        """Wait for its end and return its exit status."""
        _, errors = self.process.communicate(timeout=WAIT_S)
        self.lines = (self._read.decode() + errors).splitlines()
        return self.process.returncode


def shut_down(extension: Extension, window_ms: int = 2_000) -> None:
    """Send SHUTDOWN and expect a clean end."""
    extension.lambda_.events.put(shutdown(window_ms))
    assert extension.end() == 0, extension.lines
