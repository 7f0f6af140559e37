"""The OTLP endpoint: real requests over real sockets, with the answers of the specification."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import TYPE_CHECKING

import aiohttp
import pyarrow as pa
import pytest
from google.protobuf.json_format import MessageToJson, Parse
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from otlp_server import LIMIT, REQUESTS, head, logs, post, running, spans, until

from otlp2parquet_ext.records.otlp.requests import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from otlp_server import Running

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
SHAPES: dict[Signal, tuple[type[Message], type[Message]]] = {
    Signal.LOGS: (ExportLogsServiceRequest, ExportLogsServiceResponse),
    Signal.TRACES: (ExportTraceServiceRequest, ExportTraceServiceResponse),
    Signal.METRICS: (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}
signals = pytest.mark.parametrize("signal", Signal)


class Answer:
    """The answer: status, headers, body."""

    def __init__(self, answer: aiohttp.ClientResponse, body: bytes) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, body

    @property
    def message(self) -> str:
        """The text of a `google.rpc.Status`, in whichever encoding."""
        if self.headers["Content-Type"] == "application/json":
            return str(Parse(self.body, Status()).message)
        assert self.headers["Content-Type"] == "application/x-protobuf"
        return str(Status.FromString(self.body).message)


async def ask(
    server: Running,
    path: str,
    body: object = b"",
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Answer:
    """Make one request on a connection of its own."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as client,
        client.request(
            method, f"http://127.0.0.1:{server.port}{path}", data=body, headers=headers or PROTOBUF
        ) as answer,
    ):
        return Answer(answer, await answer.read())


@signals
async def test_protobuf_is_taken_as_it_came_and_answered_in_protobuf(signal: Signal) -> None:
    """The whole of the specification's full success: 200, the right message, nothing in it."""
    async with running() as server:
        answer = await ask(server, f"/v1/{signal}", REQUESTS[signal])
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "application/x-protobuf"
        [(taken, accepted)] = server.taken
        assert (taken, accepted.records) == (signal, 1)
        request, _ = SHAPES[signal]
        assert request.FromString(accepted.payload) == request.FromString(REQUESTS[signal])


@signals
async def test_json_is_taken_and_answered_in_json(signal: Signal) -> None:
    """A client reads the answer with what it wrote the request with; parameters are allowed."""
    request, response = SHAPES[signal]
    message = request.FromString(REQUESTS[signal])
    text = MessageToJson(message).replace("AAECAwQFBgcICQoLDA0ODw==", bytes(range(16)).hex())
    text = text.replace("AAECAwQFBgc=", bytes(range(8)).hex())

    async with running() as server:
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        answer = await ask(server, f"/v1/{signal}", text, headers)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert Parse(answer.body, response()) == response()
        assert request.FromString(server.taken[0][1].payload) == message


@signals
@pytest.mark.parametrize(("headers", "body"), [(PROTOBUF, b""), (JSON, b"{}")])
async def test_a_request_without_records_is_a_success_and_no_work(
    signal: Signal, headers: dict[str, str], body: bytes
) -> None:
    """Exporters of metrics send them, and in the spool they would be useless frames."""
    async with running() as server:
        assert (await ask(server, f"/v1/{signal}", body, headers)).status == 200
        assert server.taken == []


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
async def test_a_span_that_cannot_be_stored_costs_only_itself(headers: dict[str, str]) -> None:
    """Partial success: 200, so that the rest is not sent again, and how many were not taken."""
    request = ExportTraceServiceRequest.FromString(spans("good", "bad"))
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    body = request.SerializeToString()
    if headers is JSON:
        tree = json.loads(MessageToJson(request))
        good, bad = tree["resourceSpans"][0]["scopeSpans"][0]["spans"]
        good |= {"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708"}
        bad |= {"traceId": "0102", "spanId": "0102030405060708"}
        body = json.dumps(tree).encode()

    async with running() as server:
        answer = await ask(server, "/v1/traces", body, headers)
        response = ExportTraceServiceResponse()
        if headers is JSON:
            Parse(answer.body, response)
        else:
            response.ParseFromString(answer.body)
        assert answer.status == 200
        assert response.partial_success.rejected_spans == 1
        assert "trace" in response.partial_success.error_message
        assert server.spans == ["good"]


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("request_line", "about", "status", "says"),
    [
        ("POST /", {}, 404, "'/': expected one of /v1/logs, /v1/traces, /v1/metrics"),
        ("POST /v1/traces/", {}, 404, "'/v1/traces/'"),
        ("POST /v1development/profiles", {}, 404, "profiles"),
        ("GET /v1/traces", {}, 405, "GET /v1/traces: expected POST"),
        ("PUT /v1/logs", {}, 405, "expected POST"),
        ("POST /v1/logs", {"Content-Encoding": "br"}, 415, "'br': expected one of identity, g"),
        ("POST /v1/logs", {"Content-Encoding": "gzip, gzip"}, 415, "'gzip, gzip'"),
        ("POST /v1/logs", {"Content-Encoding": "gzip"}, 400, "Content-Encoding gzip: "),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_status_in_the_requests_encoding(
    headers: dict[str, str], request_line: str, about: dict[str, str], status: int, says: str
) -> None:
    """No exporter may send it again. The message has the problem, and what is valid."""
    async with running() as server:
        method, _, path = request_line.partition(" ")
        answer = await ask(server, path, b"[", headers | about, method)
        assert answer.status == status
        assert answer.headers["Content-Type"] == headers["Content-Type"]
        assert says in answer.message
        assert "Retry-After" not in answer.headers
        assert answer.headers.get("Allow") == ("POST" if status == 405 else None)
        assert server.taken == []


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/grpc", "application/json5"]
)
async def test_another_content_type_is_415_and_the_answer_says_which_there_are(
    content_type: str,
) -> None:
    """Its sender is a person more often than an exporter, so the answer is JSON."""
    async with running() as server:
        answer = await ask(server, "/v1/logs", b"x", {"Content-Type": content_type})
        assert answer.status == 415
        expected = "expected application/x-protobuf or application/json"
        assert answer.message == f"Content-Type {content_type!r}: {expected}"


@signals
@pytest.mark.parametrize(
    ("headers", "body"), [(PROTOBUF, b"\x0a\xff"), (JSON, b'{"resourceLogs":')]
)
async def test_a_body_that_is_cut_off_is_400(
    signal: Signal, headers: dict[str, str], body: bytes
) -> None:
    """Bad data stays bad: the client must not send it again."""
    async with running() as server:
        answer = await ask(server, f"/v1/{signal}", body, headers)
        assert answer.status == 400
        assert answer.message
        assert server.taken == []


def bare_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header."""
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(data) + deflating.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("identity", bytes),
        ("", bytes),
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("zstd", lambda data: pa.Codec("zstd").compress(data, asbytes=True)),
    ],
)
async def test_every_encoding_an_exporter_knows_is_read(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """gzip is a must; the others cost nothing until they are used."""
    async with running() as server:
        headers = PROTOBUF | {"Content-Encoding": encoding}
        answer = await ask(server, "/v1/traces", compress(spans("a", "b")), headers)
        assert answer.status == 200
        assert server.spans == ["a", "b"]


async def test_a_body_over_the_limit_is_413_told_untold_or_inflated() -> None:
    """Our limit counts, not the sender's. The message names its variable."""
    async with running() as server:
        too_long = spans("x" * LIMIT)
        told = await ask(server, "/v1/traces", too_long)

        async def chunks() -> object:
            for start in range(0, len(too_long), 60_000):
                yield too_long[start : start + 60_000]

        untold = await ask(server, "/v1/traces", chunks())
        headers = PROTOBUF | {"Content-Encoding": "gzip"}
        bomb = await ask(server, "/v1/traces", gzip.compress(too_long), headers)
        for answer in (told, untold, bomb):
            assert answer.status == 413
            assert "more than 1000000 bytes" in answer.message
            assert "OTLP2PARQUET_OTLP_MAX_BYTES" in answer.message
        assert server.taken == []


async def test_what_the_spool_does_not_take_is_503_and_may_come_again_after_a_second() -> None:
    """It stays the exporter's: nothing is lost, so nothing is counted as lost."""
    async with running() as server:
        server.refuse = "the spool is full"
        for headers, body in ((PROTOBUF, spans("a")), (JSON, TRACE)):
            answer = await ask(server, "/v1/traces", body, headers)
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.message == "the spool is full"
        server.refuse = None
        assert (await ask(server, "/v1/traces", spans("a"))).status == 200
        assert server.spans == ["a"]


TRACE = json.dumps(
    {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "name": "from JSON",
                                "startTimeUnixNano": "1544712660000000000",
                            }
                        ]
                    }
                ]
            }
        ]
    }
)


async def test_a_bug_of_ours_costs_one_request(capfd: pytest.CaptureFixture[str]) -> None:
    """500 is not sent again: what broke us once would do so for ever."""
    async with running() as server:
        taken, server.taken = server.taken, None  # type: ignore[assignment]
        answer = await ask(server, "/v1/traces", spans("a"))
        assert answer.status == 500
        assert answer.message.startswith("AttributeError: ")
        server.taken = taken
        assert (await ask(server, "/v1/traces", spans("b"))).status == 200
    assert "an OTLP request of" in capfd.readouterr().err


async def test_a_long_request_keeps_no_short_one_waiting() -> None:
    """It delays no delivery and no `next`, because a thread reads it."""
    async with running(limit=10_000_000) as server:
        records = '{"body":{"stringValue":"hello"}},' * 99_000
        text = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}{{}}]}}]}}]}}'
        long = asyncio.create_task(ask(server, "/v1/logs", text, JSON))
        await until(lambda: bool(server.receiver._reading._threads))  # it is being read
        assert (await ask(server, "/v1/traces", spans("short"))).status == 200
        assert not long.done()
        assert (await long).status == 200
        assert [accepted.records for _, accepted in server.taken] == [1, 99_001]


async def test_expect_100_continue_is_answered_before_the_body() -> None:
    """curl and some exporters wait a second for it, in the function's time."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = logs("hello")
        about = ("Content-Type: application/x-protobuf", f"Content-Length: {len(body)}")
        writer.write(head("/v1/logs", *about, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(18),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
        post("/v1/traces", spans("a"), "Transfer-Encoding: chunked"),
    ],
    ids=["gRPC", "TLS", "smuggling"],
)
async def test_what_is_not_http_1_is_closed_at_once(data: bytes) -> None:
    """An exporter for gRPC or https must notice it at once."""
    async with running() as server:
        answer = await server.exchange(data)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) or answer == b""
        assert server.taken == []
        assert (await ask(server, "/v1/traces", spans("a"))).status == 200
