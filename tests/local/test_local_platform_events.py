"""The platform's events have exactly the keys and shapes of the reference."""

from __future__ import annotations

import json

import msgspec
import pytest

from otlp2parquet_ext.tools.local import events
from otlp2parquet_ext.tools.local.events import PlatformEvent


def test_times_have_three_fraction_digits_and_a_z() -> None:
    """This includes whole seconds, where Python would omit them."""
    assert events.time_text(1_773_480_413.0) == "2026-03-14T09:26:53.000Z"
    assert events.time_text(1_773_480_413.5891) == "2026-03-14T09:26:53.589Z"


def test_a_report_bills_init_and_invocation_rounded_up() -> None:
    """The numbers of the reference's example."""
    metrics = events.report_metrics(
        duration_ms=292.64, memory_mb=512, max_memory_mb=141, init_ms=398.71
    )
    assert metrics == {
        "durationMs": 292.64,
        "billedDurationMs": 692,
        "memorySizeMB": 512,
        "maxMemoryUsedMB": 141,
        "initDurationMs": 398.71,
    }


def test_durations_have_three_decimals() -> None:
    """As Lambda writes them."""
    metrics = events.report_metrics(duration_ms=1.23456, memory_mb=128, max_memory_mb=1)
    assert metrics["durationMs"] == 1.235
    assert metrics["billedDurationMs"] == 2


def test_keys_without_a_value_are_left_out() -> None:
    """A timeout's runtimeDone has no bytes, no spans; a success has no error type."""
    record = events.runtime_done(
        request_id="r",
        status="timeout",
        error_type="",
        duration_ms=3000,
        produced_bytes=None,
        spans=[],
        tracing=None,
    )
    assert record == {"requestId": "r", "status": "timeout", "metrics": {"durationMs": 3000}}
    assert events.start(request_id="r", version="17") == {"requestId": "r", "version": "17"}


def test_a_json_line_becomes_an_object_byte_for_byte() -> None:
    """Integers beyond 2^53 and doubled keys must arrive as they were written."""
    line = '{"a": 9007199254740993, "a": 2}\n'
    record = events.function_record(line, objects=True)
    body = msgspec.json.encode(PlatformEvent("t", "function", record))
    assert b'"record":{"a": 9007199254740993, "a": 2}' in body


@pytest.mark.parametrize(
    "line", ["plain", "[1]", '{"a": NaN}', '{"a": 1', '"text"', '{"a":' * 5000]
)
def test_what_is_not_a_json_object_stays_text(line: str) -> None:
    """Lambda makes objects of JSON objects only."""
    assert events.function_record(line, objects=True) == line


def test_a_text_function_keeps_its_json_lines_as_text() -> None:
    """The log format decides, not the line."""
    assert events.function_record('{"a":1}', objects=False) == '{"a":1}'


def test_the_first_schema_knows_no_objects_error_types_or_restores() -> None:
    """A subscriber gets what its schema version had."""
    old = "2022-07-01"
    line = PlatformEvent("t", "function", msgspec.Raw(b'{"a": 1}'))
    assert events.as_of_schema(line, old) == PlatformEvent("t", "function", '{"a": 1}')
    assert events.as_of_schema(line, "2022-12-13") is line
    assert events.as_of_schema(PlatformEvent("t", "platform.restoreStart", {}), old) is None
    report = PlatformEvent(
        "t", "platform.report", {"status": "error", "errorType": "X", "metrics": {}}
    )
    assert events.as_of_schema(report, old) == PlatformEvent(
        "t", "platform.report", {"metrics": {}}
    )
    done = PlatformEvent("t", "platform.runtimeDone", {"status": "error", "errorType": "X"})
    assert events.as_of_schema(done, old) == PlatformEvent(
        "t", "platform.runtimeDone", {"status": "error"}
    )


def test_an_event_decodes_as_a_subscriber_would_see_it() -> None:
    """`Raw` is our way of writing; tests compare with what is read."""
    event = PlatformEvent("t", "function", msgspec.Raw(b'{"a": 1}'))
    assert event.as_dict() == {"time": "t", "type": "function", "record": {"a": 1}}
    assert json.loads(msgspec.json.encode([event])) == [event.as_dict()]
