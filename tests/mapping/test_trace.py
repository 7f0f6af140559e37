"""X-Ray headers and loggers' ids → trace context."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.records.mapping.trace import (
    NO_TRACE,
    Trace,
    TracingReader,
    parse_header,
    span_id,
    trace_flags,
    trace_id,
)

ROOT = "1-69b52bcd-0f1e2d3c4b5a69788796a5b4"
TRACE_ID = "69b52bcd0f1e2d3c4b5a69788796a5b4"
PARENT = "1122334455667788"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"Root={ROOT};Parent={PARENT};Sampled=1", Trace(TRACE_ID, PARENT, 1)),
        (f"Sampled=1;Parent={PARENT};Root={ROOT}", Trace(TRACE_ID, PARENT, 1)),
        (f"Root={ROOT}; Parent={PARENT}; Sampled=0", Trace(TRACE_ID, PARENT, 0)),
        (f"Self=1-1-1;Root={ROOT};Lineage=a:1|b:0;x", Trace(TRACE_ID, None, 0)),
        (f"Root={ROOT};Parent={'0' * 16};Sampled=?", Trace(TRACE_ID, None, 0)),
        (f"Root={ROOT};Parent=zz;Sampled=1", Trace(TRACE_ID, None, 1)),
        (f"Root=1-00000000-{'0' * 24};Parent={PARENT};Sampled=1", NO_TRACE),
        (f"Parent={PARENT};Sampled=1", NO_TRACE),
        ("Root=1-2-3", NO_TRACE),
        ("", NO_TRACE),
        (";=;==", NO_TRACE),
    ],
)
def test_a_header_is_read_in_any_order_and_invalid_ids_are_unset(header: str, trace: Trace) -> None:
    """Zeros would join with other zeros."""
    assert parse_header(header) == trace


def test_the_span_of_a_platform_event_comes_before_the_headers_parent() -> None:
    """`spanId` is the function's own segment, Parent its caller's."""
    value = f"Root={ROOT};Parent={PARENT};Sampled=1"
    assert TracingReader().read({"spanId": "a" * 16, "value": value}).span_id == "a" * 16
    assert TracingReader().read({"spanId": "", "value": value}).span_id == PARENT
    assert TracingReader().read({"spanId": 5, "value": value}).span_id == PARENT


@pytest.mark.parametrize("tracing", [None, "x", [], {}, {"value": 5}, {"spanId": "a" * 16}])
def test_tracing_of_another_shape_is_no_trace(tracing: object) -> None:
    """It costs the trace, not the event."""
    assert TracingReader().read(tracing) == NO_TRACE


def test_ids_are_lower_case_hex_and_not_all_zero() -> None:
    """As OpenTelemetry writes them in other formats' logs; X-Ray's dashes are taken out."""
    assert trace_id(ROOT) == trace_id(TRACE_ID) == TRACE_ID
    assert [trace_id(odd) for odd in (TRACE_ID.upper(), "0" * 32, "1" * 31, None, 5)] == [None] * 5
    assert span_id(PARENT) == PARENT
    assert [span_id(odd) for odd in ("0" * 16, "1" * 15, "A" * 16, None, 5)] == [None] * 5


def test_flags_are_a_byte_as_number_or_as_hex() -> None:
    """Loggers write both."""
    assert [trace_flags(flags) for flags in ("01", "ff", 0, 255)] == [1, 255, 0, 255]
    assert [trace_flags(odd) for odd in ("1", "zz", -1, 256, True, None)] == [None] * 6
