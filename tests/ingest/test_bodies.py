"""Bodies become rows: OTLP as its clients define it, events as the extension would map them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from expected_rows import comparable, expected, without_json_bodies
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from requests_strategies import as_json, requests

from otlp2parquet_ext.functions.ingest.call import Format
from otlp2parquet_ext.functions.ingest.event_bodies import EVENTS_A_DELIVERY, take_events
from otlp2parquet_ext.functions.ingest.otlp_bodies import UNKNOWN_RESOURCE, take_otlp
from otlp2parquet_ext.records.mapping.exclude import exclusion
from otlp2parquet_ext.records.otlp.requests import OtlpError, Signal
from otlp2parquet_ext.records.telemetry.redact import compile_rules

if TYPE_CHECKING:
    from otlp2parquet_ext.functions.ingest.accepted import AcceptedRequest

RECEIVED_US = 1_773_482_400_000_000
REQUEST_ID = "b3b6f3de-5a0e-4a5c-9d53-6a0f1d2c7e11"
TAP = {
    "version": "17",
    "region": "eu-west-1",
    "logGroup": "orders",
    "logStream": "2026-03-14T09:26:52.900Z_042",
}
START = {
    "time": "2026-03-14T09:26:53.510Z",
    "type": "platform.start",
    **TAP,
    "record": {"requestId": REQUEST_ID, "version": "17"},
    "retryAttempt": 0,
}
LINE = {"time": "2026-03-14T09:26:53.520Z", "type": "function", **TAP, "record": "hello\n"}


def lines(*events: object) -> bytes:
    """Join events as data-taps does: without a line break at the end."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in events]
    return "\n".join(texts).encode()


def taken(body: bytes, received_us: int = RECEIVED_US) -> AcceptedRequest:
    """Read a body of events."""
    return take_events(body, received_us, None, None)


def rows(body: bytes) -> list[dict[str, Any]]:
    """Read a body of events into rows."""
    found: list[dict[str, Any]] = taken(body).tables["logs"].to_pylist()
    return found


@pytest.mark.parametrize("signal", Signal)
@examples(0.1, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_request_is_stored_as_its_client_means_it(signal: Signal, data: st.DataObject) -> None:
    """No attribute of ours is added, in any of the three encodings."""
    request = data.draw(requests(signal))
    wanted = without_json_bodies(expected(signal, request, RECEIVED_US, UNKNOWN_RESOURCE))
    text = json.dumps(as_json(request, names=False)).encode()
    for format_, body in (
        (Format.PROTOBUF, request.SerializeToString()),
        (Format.JSON, text),
        (Format.JSON_LINES, b"\n" + text + b"\r\n\n"),
    ):
        found = take_otlp(signal, format_, body, RECEIVED_US, None).tables
        read = {name: comparable(table.to_pylist()) for name, table in found.items()}
        assert without_json_bodies(read) == wanted


def envelope(*bodies: str, service: str = "shop") -> dict[str, Any]:
    """Make a request of log records in JSON."""
    records = [{"timeUnixNano": "1773480413510000000", "body": {"stringValue": b}} for b in bodies]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}


def test_each_line_is_an_envelope_and_a_bad_one_is_refused_alone() -> None:
    """The answer counts it and has its line number."""
    body = lines(envelope("a", service="one"), "{no json", envelope("b", "c", service="two"), "")
    found = take_otlp(Signal.LOGS, Format.JSON_LINES, body, RECEIVED_US, None)
    services = found.tables["logs"].column("ServiceName").to_pylist()
    assert services == ["one", "two", "two"]
    assert (found.accepted.records, found.accepted.rejected) == (3, 1)
    assert found.accepted.why.startswith("line 2: ")


def test_lines_without_a_single_envelope_are_an_error() -> None:
    """A body at the wrong path must not look like a success."""
    with pytest.raises(OtlpError, match=r"^line 1: "):
        take_otlp(Signal.LOGS, Format.JSON_LINES, b"{no\n{json", RECEIVED_US, None)
    with pytest.raises(OtlpError, match="has no line"):
        take_otlp(Signal.LOGS, Format.JSON_LINES, b"\n\n", RECEIVED_US, None)


def test_the_name_follows_from_what_is_stored_and_nothing_else() -> None:
    """A request that comes again is recognised, later, compressed otherwise, by whomever."""

    def name(signal: Signal, format_: Format, request: Any, received_us: int = 1) -> str:
        return take_otlp(signal, format_, json.dumps(request).encode(), received_us, None).name

    first = name(Signal.LOGS, Format.JSON, envelope("a"))
    assert name(Signal.LOGS, Format.JSON, envelope("a"), 2) == first
    assert name(Signal.LOGS, Format.JSON_LINES, envelope("a")) == first
    assert name(Signal.LOGS, Format.JSON, envelope("b")) != first
    assert name(Signal.LOGS, Format.JSON, envelope("a", service="x")) != first
    same: dict[str, Any] = {"resourceSpans": []}
    assert name(Signal.TRACES, Format.JSON, same) != name(Signal.METRICS, Format.JSON, same)


def test_secrets_in_requests_are_masked() -> None:
    """As the extension does: before anything leaves memory."""
    redactor = compile_rules(r"password=(\S+)")
    body = json.dumps(envelope("password=abc")).encode()
    found = take_otlp(Signal.LOGS, Format.JSON, body, RECEIVED_US, redactor)
    assert found.tables["logs"].column("Body").to_pylist() == ["password=[redacted]"]
    text = lines(LINE | {"record": "password=abc"})
    found = take_events(text, RECEIVED_US, redactor, None)
    assert found.tables["logs"].column("Body").to_pylist() == ["password=[redacted]"]


def test_a_line_of_data_taps_is_an_event_of_the_environment_it_names() -> None:
    """Its four fields are the resource, and the number of tries is left out."""
    start, line = rows(lines(START, LINE))
    assert (start["EventName"], line["EventName"]) == ("platform.start", "function")
    assert line["Body"] == "hello"
    assert line["FaasInvocationId"] == REQUEST_ID
    assert (line["ServiceName"], line["ServiceInstanceId"]) == ("orders", TAP["logStream"])
    assert json.loads(line["ResourceAttributes"]) == {
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "eu-west-1",
        "faas.name": "orders",
        "faas.version": "17",
    }
    assert json.loads(start["LogAttributes"]) == {
        "type": "platform.start",
        "faas.invocation_id": REQUEST_ID,
        "version": "17",
    }


def test_what_data_taps_writes_for_a_missing_variable_is_no_value() -> None:
    """`NA` would become a function of that name."""
    [row] = rows(lines(LINE | {"region": "NA", "version": "NA", "logGroup": "NA"}))
    assert row["ServiceName"] == "unknown_service"
    assert "NA" not in row["ResourceAttributes"]


def test_environments_are_kept_apart() -> None:
    """The line of one must not fall into the invocation of the other."""
    other = LINE | {"logStream": "2026-03-14T09:26:52.900Z_043"}
    found = rows(lines(START, other, LINE))
    by_stream = {row["ServiceInstanceId"]: row["FaasInvocationId"] for row in found}
    assert by_stream == {TAP["logStream"]: REQUEST_ID, other["logStream"]: None}


def test_platform_records_that_came_as_text_are_read_as_objects() -> None:
    """Some clients keep the type of their column stable."""
    as_text = START | {"record": json.dumps(START["record"])}
    assert rows(lines(as_text)) == rows(lines(START))
    [row] = rows(lines(START | {"record": "just a word"}))
    assert row["Body"] == "just a word"


def test_events_of_the_telemetry_api_need_no_more_fields() -> None:
    """Any client may write them, one a line."""
    [row] = rows(lines({name: LINE[name] for name in ("time", "type", "record")}))
    assert (row["Body"], row["ServiceName"]) == ("hello", "unknown_service")


def test_fields_nobody_knows_become_attributes() -> None:
    """No field of an event is lost, even one of the wrong type."""
    [row] = rows(lines(LINE | {"more": {"a": 1}, "region": 7}))
    attributes = json.loads(row["LogAttributes"])
    assert '"more"' in row["LogAttributes"]
    assert "7" in json.dumps(attributes)


@pytest.mark.parametrize(
    "bad", ["no json", '{"type":"function","record":', "[1,2", '{"record":"x"}', "[]]", '"', "7"]
)
def test_a_line_that_is_no_event_is_a_row_of_text_and_harms_no_other(bad: str) -> None:
    """Between two good ones, in their place."""
    found = rows(lines(LINE, bad, LINE))
    assert [row["Body"] for row in found if row["EventName"] == "function"] == ["hello", "hello"]
    malformed = [row for row in found if row["EventName"] == "otlp2parquet_ext.malformed"]
    assert malformed
    assert all(row["Body"] in bad for row in malformed)


def test_a_line_that_is_a_whole_delivery_is_its_events() -> None:
    """Some clients write each body of the Telemetry API as it came."""
    event = {name: LINE[name] for name in ("time", "type", "record")}
    assert [row["Body"] for row in rows(lines([event, event], LINE))] == ["hello"] * 3


def test_thousands_of_lines_keep_their_order() -> None:
    """They go to Arrow in portions."""
    count = 2 * EVENTS_A_DELIVERY + 7
    found = rows(lines(*(LINE | {"record": f"{number}"} for number in range(count))))
    assert [row["Body"] for row in found] == [str(number) for number in range(count)]


def test_a_batch_that_is_sent_again_is_the_same_batch() -> None:
    """Its lines have another number of tries, and it comes later."""
    again = lines(START | {"retryAttempt": 3}, LINE | {"retryAttempt": 3})
    first = lines(START, LINE | {"retryAttempt": 0})
    assert taken(first).name == taken(again, RECEIVED_US + 9).name
    assert taken(first).name != taken(lines(LINE, START)).name
    assert taken(first).name != taken(first.replace(b"_042", b"_043")).name


def test_what_nobody_wants_gets_no_row() -> None:
    """`OTLP2PARQUET_EXCLUDE` means the same as for the extension."""
    exclude, _ = exclusion("platform.*")
    found = take_events(lines(START, LINE), RECEIVED_US, None, exclude)
    assert found.tables["logs"].column("EventName").to_pylist() == ["function"]
    assert take_events(lines(START), RECEIVED_US, None, exclude).tables == {}


def test_text_of_any_bytes_is_kept() -> None:
    """Invalid UTF-8 and lone surrogates come from programs in trouble."""
    body = b'{"type":"function","record":"\xff\xfe"}\n{"type":"function","record":"\\ud800"}\n\xff'
    assert len(rows(body)) == 3
