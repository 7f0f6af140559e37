"""Properties that hold for all bodies: random bytes, random JSON, and real bodies damaged."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from otlp2parquet_ext.mapping.invocations import Invocations
from otlp2parquet_ext.mapping.logs import LogTable, log_table
from otlp2parquet_ext.tables.logs import LOGS
from otlp2parquet_ext.telemetry.decode import Malformed, decode
from otlp2parquet_ext.telemetry.peek import peek
from otlp2parquet_ext.telemetry.values import Context, Delivery

CAPTURED = [
    case["event"]
    for path in sorted((Path(__file__).parent.parent / "mapping" / "events").glob("*.json"))
    for case in json.loads(path.read_text())
]
BODY = json.dumps(CAPTURED, separators=(",", ":")).encode()
KEYS = [
    "type",
    "time",
    "record",
    "message",
    "level",
    "timestamp",
    "requestId",
    "trace_id",
    "metrics",
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
types = st.sampled_from(sorted({str(event["type"]) for event in CAPTURED}))
times = st.sampled_from(["2026-03-14T09:26:53.102Z", "2026-03-14T09:26:53Z", "", "x", None, 5])
events = st.fixed_dictionaries({"time": times, "type": types, "record": json_values})


def refuse(word: str) -> None:
    """Refuse what only Python takes for JSON."""
    raise AssertionError(word)


def check(body: bytes) -> LogTable:
    """Map a body and check what must hold for any."""
    parts = decode(body)
    malformed = sum(isinstance(part, Malformed) for part in parts)
    seen = peek(body)
    assert seen.events == len(parts)
    assert seen.well_formed or malformed or not parts
    made = log_table(
        [Delivery(body, 1), Delivery(b"[]", 2)], Context(instance_id="i"), Invocations()
    )
    made.table.validate(full=True)
    assert made.table.schema.equals(LOGS, check_metadata=True)
    assert made.table.num_rows == len(parts)
    assert made.malformed >= malformed
    for text in made.table.column("LogAttributes").to_pylist():
        assert isinstance(json.loads(text, parse_constant=refuse), dict)
    for name in ("Timestamp", "LogAttributes", "SeverityText", "ServiceName"):
        assert made.table.column(name).null_count == 0
    return made


@given(st.binary(max_size=200))
def test_any_bytes_give_rows(body: bytes) -> None:
    """Nobody authenticates the listener: anything may come."""
    check(body)


@given(st.text(alphabet='[]{}",:\\ \n1eE.-+tnulfase', max_size=60))
def test_anything_like_json_gives_rows(body: str) -> None:
    """Brackets and quotes in any order."""
    check(body.encode())


@settings(deadline=None)
@given(made_up=st.lists(events, max_size=4), compact=st.booleans())
def test_any_records_give_a_row_each_and_none_is_malformed(
    *, made_up: list[dict[str, object]], compact: bool
) -> None:
    """Whatever a function logs as JSON is an event; NaN, half surrogates, big numbers and all."""
    separators = (",", ":") if compact else None
    made = check(json.dumps(made_up, separators=separators).encode())
    assert made.table.num_rows == len(made_up)
    assert made.malformed == 0
    wanted = [event["type"] for event in made_up]
    assert made.table.column("EventName").to_pylist() == wanted


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damaged_bodies_give_rows(data: st.DataObject) -> None:
    """Real bodies with bytes cut out, overwritten or put in."""
    body = bytearray(BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        length = data.draw(st.integers(0, 3) | st.integers(0, len(body)))
        body[at : at + length] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"}", b","])
        )
        if not body:
            break
    check(bytes(body))


@settings(deadline=None)
@given(st.integers(0, len(BODY)))
def test_a_body_cut_short_loses_at_most_its_last_event(length: int) -> None:
    """What came whole is read whole; the rest is one row with its text."""
    parts = decode(BODY[:length])
    assert all(not isinstance(part, Malformed) for part in parts[:-1])
