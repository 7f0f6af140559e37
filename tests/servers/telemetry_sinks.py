"""Servers to which telemetry is forwarded: a Data Tap as strict as the real one, an OTLP receiver.

Both check requests as the real ones do, and answer as a test scripts.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.tap-token"  # noqa: S105 - of no use anywhere
LIMIT_BYTES = 6_291_456
FIELDS = ["time", "type", "version", "region", "logGroup", "logStream", "record", "retryAttempt"]
REQUESTS: dict[str, Any] = {
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One received request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """A server.

    Attributes:
        url: where it listens.
        requests: all that were sent, refused ones, too.
        taken: those that were taken.
        replies: what the next requests are answered with instead; they are not taken.
        refuses: says of a body whether it is refused, and how.
        silent: while set, requests wait for their answer.
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    refuses: Callable[[bytes], Reply | None] = lambda _: None
    may_answer: threading.Event = field(default_factory=threading.Event)
    success: Reply = field(default_factory=Reply)

    def check(self, request: Request) -> Reply | None:
        """Refuse what the real server would."""
        raise NotImplementedError

    def answer(self, request: Request) -> Reply:
        """Take a request, or not."""
        self.requests.append(request)
        self.may_answer.wait(20)
        if self.replies:
            return self.replies.pop(0)
        if refusal := self.check(request) or self.refuses(request.body):
            return refusal
        self.taken.append(request)
        return self.success


class Tap(Sink):
    """A Data Tap behind a function URL."""

    def check(self, request: Request) -> Reply | None:
        """See `Sink.check`; the token is checked as clients of it see that: in a body of 200."""
        if request.headers.get("x-bd-authorization") != TOKEN:
            return Reply(200, b'{"statusCode":403,"body":"not authorized"}')
        if request.headers.get("content-type") != "application/x-ndjson":
            return Reply(415)
        if len(request.body) * 4 > LIMIT_BYTES * 3:  # it is base64 on its way
            return Reply(413)
        for line in request.body.split(b"\n"):
            if list(json.loads(line)) != FIELDS:
                return Reply(400, b"other fields")
        return None

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All lines that were taken."""
        return [json.loads(line) for r in self.taken for line in r.body.split(b"\n")]


class Collector(Sink):
    """An OTLP/HTTP receiver that takes protobuf alone."""

    def check(self, request: Request) -> Reply | None:
        """See `Sink.check`."""
        if request.path not in REQUESTS:
            return Reply(404)
        if request.headers.get("content-type") != "application/x-protobuf":
            return Reply(415)
        try:
            message: Any = REQUESTS[request.path].FromString(request.body)
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return Reply(400, b"no protobuf")
        unknown = message.SerializeToString() != b"" and not message.ListFields()
        return Reply(400, b"unknown fields") if unknown else None

    def messages(self, path: str) -> list[Any]:
        """All requests that were taken at a path."""
        return [REQUESTS[path].FromString(r.body) for r in self.taken if r.path == path]

    @property
    def log_records(self) -> list[Any]:
        """All log records that were taken."""
        return [
            record
            for message in self.messages("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


@contextmanager
def running(sink: Sink, port: int = 0) -> Iterator[Sink]:
    """Serve; a sink can be stopped and served again on the same port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            reply = sink.answer(Request(self.path, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    sink.may_answer.set()
    server = Server(("127.0.0.1", port), Handler)
    sink.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
