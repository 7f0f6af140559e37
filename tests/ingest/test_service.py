"""The answers of the service: statuses, bodies, tokens, limits."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from gateway_events import GATEWAYS, answered, function_url
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from places import plain_folder, soon

from otlp2parquet_ext.functions.ingest import service as service_room
from otlp2parquet_ext.functions.ingest.events import EventError
from otlp2parquet_ext.functions.ingest.service import IngestService
from otlp2parquet_ext.records.otlp.exchange import PATHS
from otlp2parquet_ext.records.otlp.pieces import MOST_RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from places import Place

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
EVENT = {"time": "2026-03-14T09:26:53.510Z", "type": "function", "record": "hello\n"}


@pytest.fixture
def lake(tmp_path: Path) -> Place:
    """An empty folder."""
    return plain_folder(tmp_path)


def serving(lake: Place, valid: str = "", **variables: str) -> IngestService:
    """Start the function; its variables are given without their prefix."""
    variables |= {"INGEST_TOKEN": valid} if valid else {}
    named = {f"OTLP2PARQUET_{name}": value for name, value in variables.items()}
    return IngestService({**lake.variables, **named})


def ask(service: IngestService, event: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Let it answer; return status, headers and the body a client gets."""
    answer = service.answer(event, soon())
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    return answer["statusCode"], answer["headers"], answered(answer)


def said(service: IngestService, event: Mapping[str, Any]) -> tuple[int, Any]:
    """Let it answer in JSON."""
    status, headers, body = ask(service, event)
    assert headers["Content-Type"] == "application/json"
    return status, json.loads(body)


def logs(*bodies: str) -> ExportLogsServiceRequest:
    """Make a request of log records."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number, body in enumerate(bodies):
        record = records.add(time_unix_nano=1_773_480_413_510_000_000 + number)
        record.body.string_value = body
    return request


def test_anybody_may_ask_for_the_health(lake: Place) -> None:
    """Load balancers and people have no token, and the answer has nothing else."""
    service = serving(lake, valid="secret-token")
    for make in GATEWAYS.values():
        answer = service.answer(make("GET", "/health"), soon())
        assert (answer["statusCode"], answered(answer)) == (200, b"Healthy")
        assert answer["headers"]["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("make", GATEWAYS.values(), ids=GATEWAYS)
def test_a_protobuf_request_has_a_protobuf_answer(make: Any, lake: Place) -> None:
    """An empty `Export…ServiceResponse` is what exporters take for full success."""
    event = make("POST", "/v1/logs", logs("a").SerializeToString(), PROTOBUF)
    answer = serving(lake).answer(event, soon())
    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] is True
    assert answer["headers"] == PROTOBUF
    assert ExportLogsServiceResponse.FromString(answered(answer)) == ExportLogsServiceResponse()
    assert lake.bodies() == ["a"]


def test_what_was_refused_is_told_in_the_encoding_of_the_request(lake: Place) -> None:
    """A span without ids cannot be stored; its neighbour is."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(name="good", trace_id=bytes(range(16)), span_id=bytes(range(8)))
    spans.add(name="bad")
    service = serving(lake)
    _, _, body = ask(
        service, function_url("POST", "/v1/traces", request.SerializeToString(), PROTOBUF)
    )
    partial = ExportTraceServiceResponse.FromString(body).partial_success
    assert partial.rejected_spans == 1
    assert "trace_id is missing" in partial.error_message
    text = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "bad"}]}]}]}
    status, found = said(
        service, function_url("POST", "/v1/traces", json.dumps(text).encode(), JSON)
    )
    assert status == 200
    assert found["partialSuccess"]["rejectedSpans"] == "1"
    assert (found["status"], found["spans_processed"]) == ("ok", 0)


def test_an_empty_request_is_one_of_no_records(lake: Place) -> None:
    """In protobuf it has no bytes, so the Content-Type decides."""
    service = serving(lake)
    assert ask(service, function_url("POST", "/v1/logs", b"", PROTOBUF))[0] == 200
    status, found = said(service, function_url("POST", "/v1/logs", b"{}", JSON))
    assert (status, found) == (200, {"status": "ok", "records_processed": 0})
    assert lake.objects.names() == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "error"),
    [
        ("POST", "/v2/logs", JSON, b"{}", 404, "not found"),
        ("POST", "/v1/logs/more", JSON, b"{}", 404, "not found"),
        ("GET", "/v1/logs", {}, b"", 405, "method not allowed"),
        ("GET", "/", {}, b"", 405, "method not allowed"),
        ("POST", "/health", JSON, b"{}", 405, "method not allowed"),
        ("POST", "/v1/logs", {"Content-Type": "text/csv"}, b"a", 415, "unsupported media type"),
        ("POST", "/", JSON, b"[]", 415, "unsupported media type"),
        (
            "POST",
            "/v1/logs",
            JSON | {"Content-Encoding": "br"},
            b"x",
            415,
            "unsupported media type",
        ),
        ("POST", "/v1/logs", JSON, b"", 400, "missing request body"),
        ("POST", "/v1/logs", {}, b"", 400, "missing request body"),
        ("POST", "/v1/logs", LINES, b"", 400, "missing request body"),
        ("POST", "/", LINES, b"", 400, "missing request body"),
        ("POST", "/", LINES, b"\n \n", 400, "InvalidRequest"),
        ("POST", "/v1/logs", JSON, b"{", 400, "InvalidRequest"),
        ("POST", "/v1/logs", LINES, b"{\n[]", 400, "InvalidRequest"),
        (
            "POST",
            "/v1/logs",
            JSON | {"Content-Encoding": "gzip"},
            gzip.compress(b"{}", mtime=0)[:-3],
            400,
            "gzip decompression failed",
        ),
    ],
)
def test_what_is_not_taken_is_answered_with_what_would_be(
    *,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    error: str,
    lake: Place,
) -> None:
    """`error` is for clients of otlp2parquet, `code` and `message` are OTLP's."""
    found, answer = said(serving(lake), function_url(method, path, body, headers))
    assert (found, answer["error"]) == (status, error)
    assert isinstance(answer["code"], int)
    assert answer["message"]
    assert lake.objects.names() == []


def test_a_refusal_of_protobuf_is_a_status_in_protobuf(lake: Place) -> None:
    """As the specification has it."""
    status, headers, body = ask(
        serving(lake), function_url("POST", "/v1/logs", b"no protobuf", PROTOBUF)
    )
    assert (status, headers["Content-Type"]) == (400, "application/x-protobuf")
    found = Status.FromString(body)
    assert found.code == 3
    assert "as protobuf" in found.message


def test_a_body_in_base64_that_is_none_is_refused(lake: Place) -> None:
    """The gateway or the client may have caused it."""
    event = function_url("POST", "/v1/logs", b"{}", JSON) | {"isBase64Encoded": True}
    status, found = said(serving(lake), event)
    assert (status, found["error"]) == (400, "invalid base64 body")


def test_bytes_a_gateway_took_for_text_are_told_of(lake: Place) -> None:
    """A REST API without binary media types mangles protobuf; the client cannot know why."""
    event = function_url("POST", "/v1/logs", logs("a").SerializeToString(), PROTOBUF)
    event |= {"isBase64Encoded": False, "body": "\n\ufffd\ufffd"}
    status, _, body = ask(serving(lake), event)
    assert status == 400
    assert b"binary media types" in body


@pytest.mark.parametrize("headers", [JSON, JSON | {"Content-Encoding": "gzip"}])
def test_a_body_over_the_limit_is_refused_and_the_limit_is_told(
    headers: dict[str, str], lake: Place
) -> None:
    """Before and after inflation; 6 MiB by default."""
    body = b'{"x":"' + b"x" * 70_000 + b'"}'
    service = serving(lake, MAX_PAYLOAD_BYTES="65536")
    sent = gzip.compress(body) if "Content-Encoding" in headers else body
    status, found = said(service, function_url("POST", "/v1/logs", sent, headers))
    assert status == 413
    assert (found["error"], found["limit_bytes"]) == ("payload too large", 65_536)
    assert said(serving(lake), function_url("POST", "/v1/logs", sent, headers))[0] == 200
    assert IngestService(lake.variables)._settings.max_payload_bytes == 6_291_456


def test_a_body_of_too_many_records_is_refused(lake: Place) -> None:
    """Each would become a row: a few bytes could take all memory there is."""
    request = logs()
    request.resource_logs[0].scope_logs[0].log_records.extend([LogRecord()] * (MOST_RECORDS + 1))
    status, _, body = ask(
        serving(lake), function_url("POST", "/v1/logs", request.SerializeToString(), PROTOBUF)
    )
    assert (status, str(MOST_RECORDS).encode() in body) == (413, True)
    status, found = said(serving(lake), function_url("POST", "/", b"{}\n" * MOST_RECORDS, LINES))
    assert (status, found["limit_records"]) == (413, MOST_RECORDS)


def bearing(**headers: str) -> dict[str, Any]:
    """Make a request with headers of authorization."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return function_url("POST", "/", json.dumps(EVENT).encode(), LINES | given)


def test_who_has_no_token_is_told_so_and_who_has_a_wrong_one_is_turned_away(lake: Place) -> None:
    """Clients of a data tap stop at 403; browsers and people understand 401."""
    service = serving(lake, valid="first-token, second-token")
    status, headers, _ = ask(service, bearing())
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert ask(service, bearing(Authorization="AWS4-HMAC-SHA256 Credential=x"))[0] == 401
    wrong = ("first-token,", "first-toke", "first-token second-token", "é", "FIRST-TOKEN")
    for token in wrong:
        assert ask(service, bearing(Authorization=f"Bearer {token}"))[0] == 403
        assert ask(service, bearing(x_bd_authorization=token))[0] == 403
    assert lake.objects.names() == []


def test_each_of_several_tokens_opens_in_either_header(lake: Place) -> None:
    """While clients change over one by one; `Authorization` may be IAM's."""
    service = serving(lake, valid="first-token second-token")
    for token in ("first-token", "second-token"):
        assert ask(service, bearing(Authorization=f"Bearer {token}"))[0] == 200
        assert ask(service, bearing(authorization=f"bearer  {token}"))[0] == 200
        assert ask(service, bearing(x_bd_authorization=token))[0] == 200
        both = bearing(Authorization="AWS4-HMAC-SHA256 x", X_BD_Authorization=f"Bearer {token}")
        assert ask(service, both)[0] == 200


def test_a_setting_without_a_token_in_it_lets_nobody_in(lake: Place) -> None:
    """An empty parameter of a template, between commas, must not allow access."""
    service = serving(lake, valid=",")
    assert ask(service, bearing(Authorization="Bearer ,"))[0] == 403
    assert ask(service, bearing(x_bd_authorization=","))[0] == 403


def test_without_tokens_whoever_reaches_it_may_send(lake: Place) -> None:
    """IAM decides who that is."""
    assert ask(serving(lake), bearing())[0] == 200


def test_a_token_is_in_no_line(lake: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """This also holds if another message quotes it."""
    service = serving(lake, valid="first-token,second-token", EXCLUDE="second-token!")
    ask(service, bearing(x_bd_authorization="second-token"))
    lines = capfd.readouterr().err
    assert "***" in lines
    assert "second-token" not in lines


def test_a_destination_in_trouble_asks_the_client_to_come_again(
    lake: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exporters repeat after a 503. Only the log has the reason."""
    (tmp_path / "lake").write_text("a file where the folder should be")
    status, headers, body = ask(
        serving(lake), function_url("POST", "/v1/logs", logs("a").SerializeToString(), PROTOBUF)
    )
    assert (status, headers["Retry-After"]) == (503, "5")
    assert str(tmp_path).encode() not in body
    assert str(tmp_path) in capfd.readouterr().err


@pytest.mark.parametrize("destination", ["", "gopher://x"])
def test_without_a_destination_clients_keep_what_they_have(
    destination: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Until it is set, nothing is lost."""
    service = IngestService({"OTLP2PARQUET_INGEST_DESTINATION": destination})
    assert ask(service, bearing())[0] == 503
    assert "OTLP2PARQUET_DESTINATION" in capfd.readouterr().err


def test_a_bug_of_ours_costs_one_request(
    lake: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Repeating it would not help; the environment lives on."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret of the house")

    service = serving(lake)
    with monkeypatch.context() as patch:
        patch.setattr(service_room, "take_events", broken)
        status, found = said(service, bearing())
    assert (status, found["error"]) == (500, "internal error")
    assert "secret of the house" not in found["message"]
    assert "secret of the house" in capfd.readouterr().err
    assert ask(service, bearing())[0] == 200


def test_an_event_of_a_queue_fails(lake: Place) -> None:
    """So that Lambda keeps its messages."""
    with pytest.raises(EventError):
        serving(lake).answer({"Records": [{"body": "x", "messageId": "m"}]}, soon())


def test_the_destination_of_the_ingest_function_comes_first(lake: Place, tmp_path: Path) -> None:
    """The other one is the extension's, which collects the function's own telemetry there."""
    elsewhere = tmp_path / "elsewhere"
    service = serving(lake, INGEST_DESTINATION=f"file://{elsewhere}")
    assert ask(service, bearing())[0] == 200
    assert lake.objects.names() == []
    assert list(elsewhere.rglob("*.parquet"))


@examples(0.75, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([*PATHS, "/", "/health", "/other"]),
    st.sampled_from(["", "application/x-protobuf", "application/json", "application/x-ndjson"]),
    st.sampled_from(["", "gzip", "deflate", "zstd", "br"]),
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                '{"type":"function"',
                ',"record":',
                '"x"',
                "}",
                "{",
                "[",
                "]",
                "\n",
                '"time":7,',
                "null",
            ]
        ),
        max_size=12,
    ).map(lambda parts: "".join(parts).encode()),
    st.booleans(),
)
def test_any_request_is_answered_and_none_shows_a_bug_of_ours(  # noqa: PLR0917 - of hypothesis
    lake: Place,
    path: str,
    type_: str,
    encoding: str,
    body: bytes,
    in_base64: bool,  # noqa: FBT001
) -> None:
    """A caller may send anything."""
    headers = {"content-type": type_, "content-encoding": encoding}
    event = function_url("POST", path, b"", headers)
    text = base64.b64encode(body).decode() if in_base64 else body.decode("latin-1")
    status, _, _ = ask(serving(lake), event | {"body": text, "isBase64Encoded": in_base64})
    assert status in {200, 400, 404, 405, 413, 415}
