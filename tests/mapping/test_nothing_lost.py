"""Every field of a record is in its row: in its column, or as an attribute."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

TRACE_ID = "69b52bcd0f1e2d3c4b5a69788796a5b4"
KEYS = [
    *("message", "msg", "fields", "level", "log_level", "severity", "timestamp", "time", "ts"),
    *("requestId", "AWSRequestId", "trace_id", "xray_trace_id", "span_id", "trace_flags"),
    *("errorType", "errorMessage", "exception.type", "type", "record.type", "faas.invocation_id"),
    *("record.faas.invocation_id", "metrics", "status", "other"),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from([TRACE_ID, "00f067aa0ba902b7", "01", "INFO", "2026-03-14T09:26:53Z"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["message", "errorType", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
TYPES = st.sampled_from(["function", "platform.report", "platform.start", "news", "platform.news"])


def said_by_a_column(value: object, row: dict[str, Any]) -> bool:
    """Tell whether a column of the row holds a value that left the attributes."""
    texts = [row[name] for name in ("Body", "SeverityText", "FaasInvocationId", "TraceId")]
    if value in [*texts, row["SpanId"]] or (value is None and row["Body"] is None):
        return True
    if value == "2026-03-14T09:26:53Z":
        return bool(row["TimestampTime"].isoformat() == "2026-03-14T09:26:53+00:00")
    if value in ("01", row["TraceFlags"]):
        return True
    return row["Body"] is not None and json.dumps(value) == json.dumps(json.loads(row["Body"]))


@examples(0.75)
@given(record=RECORDS, type_=TYPES, compact=st.booleans())
def test_every_field_is_in_the_row(*, record: dict[str, object], type_: str, compact: bool) -> None:
    """Published mappers lose a user's `type`, or all fields of a record without `message`."""
    event = {"time": "2026-03-14T09:26:53.540Z", "type": type_, "record": record}
    body = json.dumps([event], separators=(",", ":") if compact else None).encode()
    made = log_table([Delivery(body, 1)], EnvironmentContext(instance_id="i"), Invocations())
    assert made.malformed == 0
    (row,) = made.table.to_pylist()
    attributes = json.loads(row["LogAttributes"])
    assert attributes["type"] == type_
    for key, value in record.items():
        found = [
            other
            for name, other in attributes.items()
            if name == key or (name.startswith("record.") and name.endswith(key))
        ]
        assert value in found or said_by_a_column(value, row), (key, value)
