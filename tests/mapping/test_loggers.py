"""Lines of common loggers: the level, time, message and trace of each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from either_way import INVOKE_US, REQUEST, by_the_long_way, mapped
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.records.mapping.severity import NUMBERS
from otlp2parquet_ext.records.mapping.shapes import (
    ERROR_KEYS,
    ERROR_OBJECT_KEYS,
    LEVEL_KEYS,
    MESSAGE_KEYS,
    SPAN_KEYS,
    TIME_KEYS,
    TRACE_KEYS,
)
from otlp2parquet_ext.records.mapping.times import NEAR_US, epoch_near
from otlp2parquet_ext.records.telemetry.values import Invoke

TIME = "2026-03-14T09:26:53.600Z"
EVENT_US = 1_773_480_413_600_000
INVOKE = Invoke(request_id=REQUEST, received_us=INVOKE_US)
TRACE_ID, SPAN_ID = "69b52bcd0f1e2d3c4b5a69788796a5b4", "00f067aa0ba902b7"
OWN = "2026-03-14T09:26:53.599+00:00"
TRACE, DEBUG, INFO, WARN, ERROR, FATAL = 1, 5, 9, 13, 17, 21


def row_of(record: object) -> dict[str, Any]:
    """Map a record, as an object and as a line, by both ways; all must agree."""
    records = [record]
    if isinstance(record, dict):
        records.append(json.dumps(record, separators=(",", ":")) + "\n")
    found: list[dict[str, Any]] = []
    for sent in records:
        event = {"time": TIME, "type": "function", "record": sent}
        body = json.dumps([event], separators=(",", ":")).encode()
        for way in (mapped, by_the_long_way):
            found += way([body], (INVOKE,)).table.to_pylist()
    assert all(row == found[0] for row in found)
    return found[0]


class Line(NamedTuple):
    """A logger's line, and the values of its row."""

    record: object
    severity: int
    body: str
    time: str = OWN
    trace: str | None = None
    span: str | None = None


LOGGERS = {
    "pino": Line(
        {"level": 50, "time": 1773480413599, "pid": 8, "hostname": "h", "msg": "no stock"},
        ERROR,
        "no stock",
    ),
    "bunyan": Line(
        {"name": "a", "level": 30, "msg": "m", "time": "2026-03-14T09:26:53.599Z", "v": 0},
        INFO,
        "m",
    ),
    "winston": Line(
        {"level": "silly", "message": "m", "timestamp": "2026-03-14T09:26:53.599Z"}, TRACE, "m"
    ),
    "Serilog, compact": Line(
        {"@t": "2026-03-14T09:26:53.5990000Z", "@m": "Order 5", "@i": "a1", "@l": "Warning"},
        WARN,
        "Order 5",
    ),
    "Serilog, compact, Information": Line(
        {
            "@t": "2026-03-14T09:26:53.5990000Z",
            "@mt": "Order {Id}",
            "@tr": TRACE_ID,
            "@sp": SPAN_ID,
            "Id": 5,
        },
        INFO,
        "Order {Id}",
        trace=TRACE_ID,
        span=SPAN_ID,
    ),
    "Serilog, JSON": Line(
        {
            "Timestamp": "2026-03-14T09:26:53.5990000+00:00",
            "Level": "Fatal",
            "MessageTemplate": "m {A}",
            "RenderedMessage": "m 1",
        },
        FATAL,
        "m 1",
    ),
    ".NET console": Line(
        {"EventId": 0, "LogLevel": "Critical", "Category": "A", "Message": "m"}, FATAL, "m", TIME
    ),
    "ECS": Line(
        {"@timestamp": "2026-03-14T09:26:53.599Z", "log.level": "error", "message": "m"}, ERROR, "m"
    ),
    "ECS, nested": Line(
        {
            "@timestamp": "2026-03-14T09:26:53.599Z",
            "log": {"level": "warning", "logger": "a"},
            "message": "m",
            "trace.id": TRACE_ID,
            "span.id": SPAN_ID,
        },
        WARN,
        "m",
        trace=TRACE_ID,
        span=SPAN_ID,
    ),
    "zap": Line({"level": "dpanic", "ts": 1773480413.599, "msg": "m", "caller": "a:1"}, 18, "m"),
    "zerolog": Line({"level": "warn", "time": 1773480413, "message": "m"}, WARN, "m", TIME),
    "logrus": Line(
        {"level": "warning", "msg": "m", "time": "2026-03-14T09:26:53Z"}, WARN, "m", TIME
    ),
    "slog": Line({"time": OWN, "level": "ERROR+4", "msg": "m"}, FATAL, "m"),
    "slog, below debug": Line({"time": OWN, "level": "DEBUG-4", "msg": "m"}, TRACE, "m"),
    "log15": Line({"lvl": "eror", "msg": "m", "t": OWN}, ERROR, "m", TIME),
    "Monolog": Line(
        {"message": "m", "level": 250, "level_name": "NOTICE", "datetime": OWN, "channel": "a"},
        10,
        "m",
    ),
    "structlog": Line(
        {"event": "order paid", "level": "warning", "timestamp": "2026-03-14T09:26:53.599Z"},
        WARN,
        "order paid",
    ),
    "Logback, Micrometer": Line(
        {
            "@timestamp": "2026-03-14T10:26:53.599+01:00",
            "@version": "1",
            "message": "m",
            "level": "WARN",
            "level_value": 30000,
            "traceId": TRACE_ID,
            "spanId": SPAN_ID,
        },
        WARN,
        "m",
        trace=TRACE_ID,
        span=SPAN_ID,
    ),
    "Logback's JSON": Line(
        {"timestamp": 1773480413599, "level": "INFO", "formattedMessage": "Order 5"},
        INFO,
        "Order 5",
    ),
    "Log4j 2's JSON": Line(
        {"timeMillis": 1773480413599, "level": "FATAL", "message": "m", "thread": "main"},
        FATAL,
        "m",
    ),
    "OpenTelemetry for Python": Line(
        {
            "message": "m",
            "levelname": "CRITICAL",
            "otelTraceID": TRACE_ID,
            "otelSpanID": SPAN_ID,
        },
        FATAL,
        "m",
        TIME,
        TRACE_ID,
        SPAN_ID,
    ),
    "OpenTelemetry's number": Line(
        {"message": "m", "severity_text": "oops", "severity_number": 18}, 18, "m", TIME
    ),
    "Powertools for .NET, Pascal": Line(
        {
            "Level": "Warning",
            "Message": "m",
            "Timestamp": "2026-03-14T09:26:53.5990000Z",
            "FunctionRequestId": REQUEST,
            "XRayTraceId": "1-69b52bcd-0f1e2d3c4b5a69788796a5b4",
        },
        WARN,
        "m",
        trace=TRACE_ID,
    ),
    "X-Ray's header": Line(
        {
            "level": "info",
            "message": "m",
            "xrayTraceId": f"Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent={SPAN_ID};Sampled=1",
        },
        INFO,
        "m",
        TIME,
        TRACE_ID,
        SPAN_ID,
    ),
    "a record with an error of OpenTelemetry": Line(
        {"message": "m", "exception.type": "KeyError"}, ERROR, "m", TIME
    ),
    "Go's error": Line({"errorMessage": "boom", "errorType": "E"}, ERROR, "boom", TIME),
    "pino's error without a level": Line(
        {"msg": "m", "err": {"type": "Error", "stack": "Error\n at a"}}, ERROR, "m", TIME
    ),
}


@pytest.mark.parametrize("line", LOGGERS.values(), ids=LOGGERS)
def test_a_line_of_a_logger_has_its_level_time_message_and_trace(line: Line) -> None:
    """In both log formats."""
    row = row_of(line.record)
    assert row["SeverityNumber"] == line.severity
    assert row["Body"] == line.body
    assert row["Timestamp"] == datetime.fromisoformat(line.time)
    assert (row["TraceId"], row["SpanId"]) == (line.trace, line.span)
    assert row["FaasInvocationId"] == REQUEST


TEXTS = {
    "Go's error behind a date": (
        '2026/03/14 09:26:53 {"errorMessage":"boom","errorType":"errorString"}\n',
        ERROR,
    ),
    "Go's panic": ("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", ERROR),
    "a line of Go's log": ("2026/03/14 09:26:53 order paid\n", 0),
    "a Java stack trace": (
        "boom: java.lang.RuntimeException\njava.lang.RuntimeException: boom\n\tat a.B.c(B:1)\n",
        ERROR,
    ),
    "Java's main thread": (
        'Exception in thread "main" java.lang.Error: x\n\tat a.B.<init>(B.java:1)',
        ERROR,
    ),
    "a .NET stack trace": (
        "System.InvalidOperationException: boom\n   at Shop.Handler.Handle(Order order)\n",
        ERROR,
    ),
    "a Node stack trace": ("RangeError: qty\n    at handler (/var/task/index.mjs:7:9)\n", ERROR),
    "Node, of no function": ("Error: x\n    at file:///var/task/index.mjs:7:9\n", ERROR),
    "a Python traceback": ('Traceback (most recent call last):\n  File "a.py", line 1\n', ERROR),
    "a message and a Python traceback": (
        'failed\nTraceback (most recent call last):\n  File "a.py", line 1\n',
        ERROR,
    ),
    "Rust's panic": ("thread 'main' panicked at src/main.rs:5:9:\nboom\n", ERROR),
    "Rust's runtime": (
        f'2026-03-14T09:26:53.599123Z ERROR Lambda runtime invoke{{requestId="{REQUEST}"}}: boom\n',
        ERROR,
    ),
    "Rust's runtime without a time": (
        f' WARN Lambda runtime invoke{{requestId="{REQUEST}"}}: app: low stock\n',
        WARN,
    ),
    "Rust's tracing": ("2026-03-14T09:26:53.599123Z  INFO app: order paid\n", INFO),
    "prose of two lines": ("we meet\nat the office (second floor)\n", 0),
    "a word that is a level": ("ERROR is what I print\n", 0),
    "a printed time": ("2026-03-14T09:26:53.599123Z order paid\n", 0),
}


@pytest.mark.parametrize(("text", "severity"), TEXTS.values(), ids=TEXTS)
def test_an_error_that_nobody_gave_a_level_is_an_error(text: str, severity: int) -> None:
    """And other lines are what they were; the text stays whole."""
    row = row_of(text)
    assert row["SeverityNumber"] == severity
    assert row["Body"] == text.removesuffix("\n")
    assert row["FaasInvocationId"] == REQUEST


@pytest.mark.parametrize("key", LEVEL_KEYS)
@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *[(word, TRACE) for word in ("VRB", "trc", "T", "silly")],
        *[(word, DEBUG) for word in ("DBG", "D", "V", "Verbose")],
        *[(word, INFO) for word in ("INF", "I", "Information")],
        *[(word, WARN) for word in ("WRN", "W", "Warning")],
        *[(word, ERROR) for word in ("ERR", "E", "Error")],
        *[(word, FATAL) for word in ("FTL", "F", "C", "CRT", "Critical")],
        ("INFO+2", 11),
        ("WARN-1", 12),
        ("ERROR+99", 24),
        ("DEBUG-99", 1),
    ],
)
def test_levels_count_under_every_key_of_a_logger(key: str, word: str, severity: int) -> None:
    """The text stays as it was written."""
    row = row_of({"message": "m", key: word})
    assert (row["SeverityText"], row["SeverityNumber"]) == (word, severity)
    assert key not in json.loads(row["LogAttributes"])


@pytest.mark.parametrize(
    ("level", "text", "number"),
    [
        (10, "TRACE", 1),
        (20, "DEBUG", 5),
        (30, "INFO", 9),
        (35, "INFO3", 11),
        (40, "WARN", 13),
        (50, "ERROR", 17),
        (60, "FATAL", 21),
        *[(level, "", 0) for level in (-1, 0, 3, 7, 9, 70, 200, 400, 2**63 - 1, 30.0, True, None)],
    ],
)
def test_levels_of_pino_and_bunyan_are_numbers(level: object, text: str, number: int) -> None:
    """The number stays an attribute; no other logger writes such a one under this key."""
    for keys in ({"message": "m"}, {"msg": "m"}):
        row = row_of({**keys, "level": level})
        assert (row["SeverityText"], row["SeverityNumber"]) == (text, number)
        assert json.loads(row["LogAttributes"])["level"] == level


@pytest.mark.parametrize("key", ["levelno", "status", "level_value", "severity"])
def test_numbers_under_other_keys_are_no_levels(key: str) -> None:
    """40 is an error in Python."""
    assert row_of({"message": "m", key: 40})["SeverityNumber"] == 0


@pytest.mark.parametrize("error", [*ERROR_KEYS, *ERROR_OBJECT_KEYS])
def test_a_level_that_a_record_has_counts_for_errors_too(error: str) -> None:
    """A warning about an error is a warning."""
    what: object = {"type": "E", "stack": "E\n"} if error in ERROR_OBJECT_KEYS else "E"
    assert row_of({"message": "m", error: what})["SeverityNumber"] == ERROR
    assert row_of({"msg": "m", error: what})["SeverityText"] == "ERROR"
    assert row_of({"message": "m", "level": "WARN", error: what})["SeverityNumber"] == WARN
    empty: list[object] = ["", None, {}, [], 0, False]
    for nothing in empty:
        assert row_of({"message": "m", error: nothing})["SeverityNumber"] == 0


@given(
    value=st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.builds(
        lambda apart_us, per_us: (EVENT_US + apart_us) * per_us // 1_000,
        st.integers(-2 * NEAR_US, 2 * NEAR_US),
        st.sampled_from([1, 1_000, 1_000_000]),
    )
)
def test_a_number_is_a_time_only_in_a_unit_that_is_near(value: float) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds: decades apart, so none is guessed."""
    found = epoch_near(value, EVENT_US, NEAR_US)
    assert found is None or abs(found[0] - EVENT_US) <= NEAR_US
    row = row_of({"message": "m", "time": value})
    own = EVENT_US if found is None or found[1] else found[0]
    if found is None:
        assert row["Timestamp"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=own)
        assert json.loads(row["LogAttributes"])["time"] == value


def test_a_time_in_nanoseconds_stays_where_the_column_cannot_hold_it() -> None:
    """The column has microseconds."""
    row = row_of({"message": "m", "time": EVENT_US * 1_000 - 1_001})
    assert row["Timestamp"].microsecond == 599_998
    assert json.loads(row["LogAttributes"])["time"] == EVENT_US * 1_000 - 1_001
    row = row_of({"message": "m", "time": EVENT_US * 1_000 - 1_000})
    assert "time" not in json.loads(row["LogAttributes"])


@pytest.mark.parametrize("header", ["Root=", "Root=1-0-0", "Root=1-1-1;Parent=x", "root=1"])
def test_a_header_that_names_no_trace_stays_an_attribute(header: str) -> None:
    """No value of a record is lost."""
    row = row_of({"message": "m", "xray_trace_id": header})
    assert json.loads(row["LogAttributes"])["xray_trace_id"] == header


def test_no_key_has_two_meanings() -> None:
    """Otherwise its position in the table would decide."""
    kinds = (LEVEL_KEYS, MESSAGE_KEYS, TIME_KEYS, TRACE_KEYS, SPAN_KEYS)
    keys = [key for kind in kinds for key in kind]
    assert len(keys) == len(set(keys))
    assert all(word == word.upper() for word in NUMBERS)
