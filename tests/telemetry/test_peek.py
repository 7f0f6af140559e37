"""The facts that the hot side peeks from a body."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.records.telemetry.decode import decode
from otlp2parquet_ext.records.telemetry.peek import Peek, peek

DONE = b'{"time":"t","type":"platform.runtimeDone","record":{"requestId":"a","status":"success"}}'
REPORT = b'{"time":"t","type":"platform.report","record":{"requestId":"b","metrics":{}}}'


def test_done_and_reported_requests_are_named() -> None:
    """The end of an invocation is what the hot side waits for."""
    body = b"[" + DONE + b"," + REPORT + b"," + DONE.replace(b'"a"', b'"c"') + b"]"
    assert peek(body) == Peek(
        well_formed=True, events=3, done=frozenset("ac"), reported=frozenset("b")
    )


def test_what_a_function_logs_does_not_count() -> None:
    """A function may log text that looks like the end of its invocation."""
    forged = b'[{"time":"t","type":"function","record":' + DONE + b"}]"
    quoted = b'[{"record":"{\\"type\\":\\"platform.runtimeDone\\"}","type":"function","time":"t"}]'
    assert peek(forged) == peek(quoted) == Peek(well_formed=True, events=1)


@pytest.mark.parametrize(
    "record", [b"null", b"[]", b'"a"', b"{}", b'{"requestId":7}', b'{"requestId":""}']
)
def test_an_end_without_a_request_names_nobody(record: bytes) -> None:
    """A record of the wrong shape is a row, not an error."""
    body = b'[{"type":"platform.runtimeDone","record":' + record + b"}]"
    assert peek(body) == Peek(well_formed=True, events=1)


def test_an_end_beside_something_malformed_still_counts() -> None:
    """One bad event must not make the extension wait."""
    found = peek(b"[" + DONE + b',{"type":"function","record":NaN},7,' + REPORT + b"]")
    assert found == Peek(well_formed=False, events=4, done=frozenset("a"), reported=frozenset("b"))


def test_a_body_that_python_would_read_is_well_formed() -> None:
    """It gives events only, so there is nothing to warn about."""
    assert peek(b'[{"type":"function","record":NaN}]') == Peek(well_formed=True, events=1)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"\xff", b"[1]", DONE])
def test_anything_else_is_not_well_formed(body: bytes) -> None:
    """Such a body is still stored."""
    found = peek(body)
    assert not found.well_formed
    assert found.events == len(decode(body))
