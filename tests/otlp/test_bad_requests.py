"""Requests that are wrong: refused as a whole or in part, and what the client then reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.resource import Resource
from otlp2parquet_ext.records.otlp.messages import MAX_DEPTH, request_class
from otlp2parquet_ext.records.otlp.requests import (
    Accepted,
    OtlpError,
    Signal,
    read_request,
    response,
    status,
)
from otlp2parquet_ext.records.otlp.tables import otlp_tables
from otlp2parquet_ext.records.otlp.wire import delimited, varint

ENVIRONMENT = Resource("orders", None, "i-1", "{}")


def logs(*records: bytes) -> bytes:
    """Wrap the bytes of log records into a request."""
    return delimited(1, delimited(2, b"".join(delimited(2, record) for record in records)))


def text_record(text: bytes) -> bytes:
    """Give the bytes of a log record with a text body."""
    return delimited(5, delimited(1, text))


def log_bodies(accepted: Accepted) -> list[str]:
    """Give the bodies of what was accepted."""
    tables = otlp_tables(Signal.LOGS, [(accepted.payload, 1)], ENVIRONMENT, Invocations())
    bodies: list[str] = tables["logs"].column("Body").to_pylist()
    return bodies


def nested(levels: int) -> dict[str, Any]:
    """Give an AnyValue in OTLP/JSON: text in as many arrays."""
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


def json_logs(*bodies: object) -> bytes:
    """Give a request in OTLP/JSON with log records of these bodies."""
    records = [{"body": body} for body in bodies]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


WHOLE = logs(text_record(b"first"), text_record(b"last"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (WHOLE[:-1], "resource_logs[0] is cut off: 23 bytes said, 22 there"),
        (WHOLE[:1], "resource_logs[0] is cut off at byte 1 of 1"),
        (b"\x80" * 11, "the request has a number without end at byte 0 of 11"),
        (b"\x08\x01", "resource_logs[0] has wire type 0: expected 2"),
        (b"\x0b\x0c", "resource_logs[0] has wire type 3: expected a field from 1 with 0, 1, 2 or "),
        (b"\x00\x00", "field 0 has wire type 0: expected a field from 1 with 0, 1, 2 or 5"),
        (delimited(1, b"\x10\x01"), "resource_logs[0].scope_logs[0] has wire type 0: expected 2"),
        (b'{"resourceLogs":[]}', "field 15 has wire type 3: expected a field from 1 with"),
        (b"<html>", "field 7 has wire type 4: expected a field from 1 with 0, 1, 2 or 5"),
        (b"\x1f\x8b\x08\x00\x00", "field 3 has wire type 7: expected a field from 1 with"),
    ],
)
def test_a_protobuf_request_that_cannot_be_read_is_told_where(body: bytes, message: str) -> None:
    """The library reports only that some part is corrupt."""
    with pytest.raises(OtlpError) as caught:
        read_request(Signal.LOGS, body, json=False)
    assert str(caught.value).startswith(f"ExportLogsServiceRequest as protobuf: {message}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "'' (the first of 0 bytes): Expecting value: line 1 column 1 (char 0)"),
        (b"{", "'{' (the first of 1 bytes): Expecting property name enclosed in double quotes"),
        (b"[]", "the request is an array: expected an object"),
        (b"5", "the request is 5: expected an object"),
        (b'{"resourceLogs":{}}', "resourceLogs is an object: expected an array"),
        (b'{"resourceLogs":[1]}', "resourceLogs[0] is 1: expected an object"),
        (
            b'{"resourceLogs":[{},{"schemaUrl":[]}]}',
            "resourceLogs[1].schemaUrl is an array: expected a string",
        ),
        (
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":"x"}]}]}',
            "resourceLogs[0].scopeLogs[0].logRecords is 'x': expected an array",
        ),
        (b"[" * 100_000, "it is nested too deeply to be read"),
        (WHOLE, r"'\n\x17\x12\x15"),
    ],
)
def test_a_json_request_that_cannot_be_read_is_told_where(body: bytes, message: str) -> None:
    """If possible the error has a path of the request, not a line of the parser."""
    with pytest.raises(OtlpError) as caught:
        read_request(Signal.LOGS, body, json=True)
    assert str(caught.value).startswith(f"ExportLogsServiceRequest as JSON: {message}")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\x0a\x03x", "is cut off: 3 bytes said, 1 there"),
        (b"\x28\x01", ".body has wire type 0: expected 2"),
        (b"\x0a\x00", ".time_unix_nano has wire type 2: expected 1"),
        (b"\x09\x01", ".time_unix_nano is cut off: 8 bytes said, 1 there"),
        (delimited(5, b"\x1a\x00"), ".body.int_value has wire type 2: expected 0"),
        (delimited(6, b"\x0b"), ".attributes[0].key has wire type 3"),
    ],
)
def test_a_bad_record_in_protobuf_is_refused_without_its_neighbours(
    bad: bytes, reason: str
) -> None:
    """The library refuses all of them, or silently reads less of the bad one."""
    body = logs(text_record(b"first"), bad, text_record(b"last"))
    accepted = read_request(Signal.LOGS, body, json=False)
    assert (accepted.records, accepted.rejected) == (2, 1)
    assert accepted.why.startswith("resource_logs[0].scope_logs[0].log_records[1]")
    assert reason in accepted.why
    assert log_bodies(accepted) == ["first", "last"]


def test_numbers_packed_badly_cost_their_point() -> None:
    """Nine bytes are no whole number of doubles; only the library sees it."""
    point = delimited(7, b"123456789")
    metric = delimited(9, delimited(1, point) + delimited(1, b""))
    body = delimited(1, delimited(2, delimited(2, metric)))
    accepted = read_request(Signal.METRICS, body, json=False)
    assert (accepted.records, accepted.rejected) == (1, 1)
    assert "metrics[0].histogram.data_points[0]: " in accepted.why


def test_text_that_is_no_utf8_is_mended() -> None:
    """Strings of some languages have any bytes, and a log line should not be lost for it."""
    accepted = read_request(Signal.LOGS, logs(text_record(b"a\xffb")), json=False)
    assert (accepted.records, accepted.rejected) == (1, 0)
    assert log_bodies(accepted) == ["a\ufffdb"]


def test_invalid_unicode_in_json_is_mended() -> None:
    """Invalid bytes and half surrogates alike."""
    body = json_logs({"stringValue": "a?b\ud800"}).replace(b"?", b"\xff")
    assert log_bodies(read_request(Signal.LOGS, body, json=True)) == ["a\ufffdb\ufffd"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_bare_nan_and_infinity_in_json_are_understood(word: str) -> None:
    """They are no JSON, yet Python's json module writes them."""
    body = json_logs({"doubleValue": float(word)})
    assert word.encode() in body
    assert log_bodies(read_request(Signal.LOGS, body, json=True)) == [word]


def test_the_last_of_equal_json_keys_counts() -> None:
    """As in any JSON."""
    body = json_logs({"stringValue": "first"}).replace(
        b'"first"', b'"first", "stringValue": "last"'
    )
    assert log_bodies(read_request(Signal.LOGS, body, json=True)) == ["last"]


def test_the_deepest_value_the_library_reads_is_read_in_both_encodings() -> None:
    """Accepted requests must be readable again. The limit is the library's."""
    deepest = (MAX_DEPTH - 4) // 2  # an array is two messages; a body is four below the request
    kept = read_request(Signal.LOGS, json_logs(nested(deepest)), json=True)
    assert kept.records == 1
    assert read_request(Signal.LOGS, kept.payload, json=False) == kept
    assert log_bodies(kept)[0].count("[") == deepest


@pytest.mark.parametrize("levels", [49, 60, 200, 5000])
def test_a_value_nested_too_deeply_in_protobuf_costs_its_record(levels: int) -> None:
    """Never the process, and no other record."""
    value = b"\x0a\x01x"
    for _ in range(levels):
        value = delimited(5, delimited(1, value))
    accepted = read_request(Signal.LOGS, logs(delimited(5, value), text_record(b"x")), json=False)
    assert (accepted.records, accepted.rejected) == (1, 1)
    assert f"is nested deeper than {MAX_DEPTH} messages" in accepted.why
    assert len(accepted.why) < 450


@pytest.mark.parametrize("levels", [49, 60, 200])
def test_a_value_nested_too_deeply_in_json_costs_its_record(levels: int) -> None:
    """Only what cannot even be parsed as JSON costs the request."""
    body = json_logs({"stringValue": "x"}, nested(levels))
    accepted = read_request(Signal.LOGS, body, json=True)
    assert (accepted.records, accepted.rejected) == (1, 1)
    assert f"is nested deeper than {MAX_DEPTH} messages" in accepted.why
    assert len(accepted.why) < 450


@pytest.mark.parametrize("as_json", [True, False])
def test_ten_megabytes_in_one_attribute_are_an_attribute(*, as_json: bool) -> None:
    """The reader of the body sets limits; here it is one value."""
    size = 10_000_000
    body = json_logs({"stringValue": "x" * size}) if as_json else logs(text_record(b"x" * size))
    assert list(map(len, log_bodies(read_request(Signal.LOGS, body, json=as_json)))) == [size]


@pytest.mark.parametrize("signal", Signal)
def test_requests_without_records_are_accepted_and_leave_nothing(signal: Signal) -> None:
    """SDKs send them; there is nothing to spool."""
    resource = {"logs": "resourceLogs", "traces": "resourceSpans"}.get(signal, "resourceMetrics")
    bodies = [(b"", False), (b"{}", True), (f'{{"{resource}":[{{}}]}}'.encode(), True)]
    for body, as_json in [*bodies, (delimited(1, delimited(2, b"")), False)]:
        assert read_request(signal, body, json=as_json) == Accepted(b"", 0, 0, "")
    assert response(signal, Accepted(b"", 0, 0, ""), json=True) == b"{}"
    assert response(signal, Accepted(b"", 0, 0, ""), json=False) == b""


def test_what_is_accepted_as_a_whole_is_kept_to_the_byte() -> None:
    """A request sent twice is recognised by its bytes."""
    assert read_request(Signal.LOGS, WHOLE, json=False).payload is WHOLE


def test_fields_of_a_newer_protocol_are_ignored_and_kept() -> None:
    """OTLP grows by them; a request sent twice is still recognised by its bytes."""
    body = logs(text_record(b"x") + delimited(77, b"new"))
    accepted = read_request(Signal.LOGS, body, json=False)
    assert accepted.payload is body
    assert (accepted.records, accepted.rejected) == (1, 0)
    assert log_bodies(accepted) == ["x"]


def test_data_of_a_newer_protocol_is_refused_and_counted() -> None:
    """Points of an unknown kind of metric cannot be stored."""
    metric = delimited(1, b"m") + delimited(99, delimited(1, b""))
    body = delimited(1, delimited(2, delimited(2, metric)))
    accepted = read_request(Signal.METRICS, body, json=False)
    assert (accepted.records, accepted.rejected) == (0, 1)
    assert accepted.payload == b""
    assert accepted.why.endswith("metrics[0] 'm' has no data of a known kind")


def test_a_point_that_says_it_has_no_value_is_kept() -> None:
    """It marks the end of a series by its flag, without a value."""
    request: Any = request_class(Signal.METRICS)()
    points = request.resource_metrics.add().scope_metrics.add().metrics.add().gauge.data_points
    points.add(flags=1)
    points.add()
    accepted = read_request(Signal.METRICS, request.SerializeToString(), json=False)
    assert (accepted.records, accepted.rejected) == (1, 1)
    tables = otlp_tables(Signal.METRICS, [(accepted.payload, 1)], ENVIRONMENT, Invocations())
    assert str(tables["metrics_gauge"].column("Value").to_pylist()) == "[nan]"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("count", ".count is 9223372036854775808"),
        ("zero_count", ".zero_count is 9223372036854775808"),
        ("positive", ".positive.bucket_counts is 9223372036854775808"),
        ("negative", ".negative.bucket_counts is 9223372036854775808"),
    ],
)
def test_counts_beyond_64_bits_signed_are_refused(field: str, message: str) -> None:
    """The tables have no unsigned integers; cut short, they would be negative."""
    request: Any = request_class(Signal.METRICS)()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    point = metrics.add().exponential_histogram.data_points.add()
    if field in {"count", "zero_count"}:
        setattr(point, field, 2**63)
    else:
        getattr(point, field).bucket_counts.extend([1, 2**63])
    accepted = read_request(Signal.METRICS, request.SerializeToString(), json=False)
    assert accepted.records == 0
    assert message in accepted.why


@pytest.mark.parametrize("signal", Signal)
def test_answers_in_protobuf_are_those_of_the_specification(signal: Signal) -> None:
    """Read back by the generated classes, which our writer does without."""
    name = {"logs": "Logs", "traces": "Trace", "metrics": "Metrics"}[signal]
    module = __import__(
        f"opentelemetry.proto.collector.{name.lower()}.v1.{name.lower()}_service_pb2",
        fromlist=["x"],
    )
    answer = getattr(module, f"Export{name}ServiceResponse")
    made = response(signal, Accepted(b"", 1, 300, "why ä"), json=False)
    partial = answer.FromString(made).partial_success
    assert [value for _, value in partial.ListFields()] == [300, "why ä"]
    assert not answer.FromString(response(signal, Accepted(b"x", 1, 0, ""), json=False)).HasField(
        "partial_success"
    )


def test_a_status_says_its_code_and_message_in_both_encodings() -> None:
    """The body of every answer that is no success."""
    assert json.loads(status(3, 'bad "x"', json=True)) == {"code": 3, "message": 'bad "x"'}
    assert status(8, "full", json=False) == b"\x08\x08\x12\x04full"


def test_varints_are_written_in_as_few_bytes_as_they_need() -> None:
    """Seven bits to a byte, the least first."""
    assert [varint(number) for number in (0, 127, 128, 300)] == [
        b"\0",
        b"\x7f",
        b"\x80\1",
        b"\xac\2",
    ]
    assert len(varint(2**64 - 1)) == 10
