"""Properties that hold for all bodies: random bytes, random JSON, and real bodies damaged."""

from __future__ import annotations

import json

import pytest
from delivery_checks import BODY, CAPTURED, check, check_amplified
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from mutating import mutated

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.decode import Event, Malformed, decode
from otlp2parquet_ext.records.telemetry.peek import peek
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

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


@given(st.binary(max_size=200))
def test_any_bytes_give_rows(body: bytes) -> None:
    """The listener has no authentication, so any bytes may come."""
    check(body)


@given(st.text(alphabet='[]{}",:\\ \n1eE.-+tnulfase', max_size=60))
def test_anything_like_json_gives_rows(body: str) -> None:
    """Brackets and quotes in any order."""
    check(body.encode())


@given(made_up=st.lists(events, max_size=4), compact=st.booleans())
def test_any_records_give_a_row_each_and_none_is_malformed(
    *, made_up: list[dict[str, object]], compact: bool
) -> None:
    """A function may log any JSON, with NaN, half surrogates and big numbers."""
    separators = (",", ":") if compact else None
    made = check(json.dumps(made_up, separators=separators).encode())
    assert made.table.num_rows == len(made_up)
    assert made.malformed == 0
    wanted = [event["type"] for event in made_up]
    assert made.table.column("EventName").to_pylist() == wanted


@examples(0.5)
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


@given(st.integers(0, len(BODY)))
def test_a_body_cut_short_loses_at_most_its_last_event(length: int) -> None:
    """Complete events are read, and the rest is one row with its text."""
    parts = decode(BODY[:length])
    assert all(not isinstance(part, Malformed) for part in parts[:-1])


@examples(0.5)
@given(st.sampled_from(CAPTURED), st.lists(st.integers(0, 2**32), min_size=1, max_size=6))
def test_real_events_with_odd_values_give_rows(event: dict[str, object], seeds: list[int]) -> None:
    """Any documented value may be replaced by any other."""
    body = json.dumps([event]).encode()
    for seed in seeds:
        body = mutated(body, seed) or body
    check(body)


any_body = (
    st.binary(max_size=60)
    | st.sampled_from([b"", b"[]", BODY, BODY[:700], BODY[700:]])
    | st.lists(events, max_size=3).map(lambda made: json.dumps(made).encode())
)


@given(st.lists(st.tuples(any_body, st.integers(0, 2**52)), max_size=5))
def test_each_delivery_of_a_batch_gives_its_rows_in_its_place(
    delivered: list[tuple[bytes, int]],
) -> None:
    """However bad its neighbours are; the observed time of a row is that of its delivery."""
    deliveries = [Delivery(body, received_us) for body, received_us in delivered]
    made = log_table(deliveries, EnvironmentContext(instance_id="i"), Invocations()).table
    observed = [t for body, t in delivered for _ in decode(body)]
    assert made.column("ObservedTimestamp").cast("int64").to_pylist() == observed
    names = [getattr(part, "type", None) for body, _ in delivered for part in decode(body)]
    kept = made.column("EventName").to_pylist()
    assert [k for k, n in zip(kept, names, strict=True) if n is not None] == [
        n for n in names if n is not None
    ]


@given(any_body)
def test_a_glance_sees_the_ends_of_invocations_that_reading_sees(body: bytes) -> None:
    """The hot side waits for the result of the peek, and a missed end costs billed seconds."""
    ends: dict[str, set[str]] = {"platform.runtimeDone": set(), "platform.report": set()}
    for part in decode(body):
        if isinstance(part, Event) and part.type in ends:
            record = json.loads(bytes(part.record))
            request_id = record.get("requestId") if isinstance(record, dict) else None
            if isinstance(request_id, str) and request_id:
                ends[part.type].add(request_id)
    seen = peek(body)
    assert seen.done == ends["platform.runtimeDone"]
    assert seen.reported == ends["platform.report"]


@pytest.mark.parametrize(
    "piece",
    [
        *(b"[", b"{", b'"', b"\\", b",", b"]", b"},{", b'{"', b"[{", b"\xff", b"9" * 30, b"1e999,"),
        *(b',{"type":', b', { "record" :', b'{"type":"function","record":"', b'{"a":', b"],["),
        *(json.dumps([CAPTURED[0]]).encode(), json.dumps(CAPTURED[0]).encode()[:-1]),
    ],
)
def test_no_repetition_costs_more_than_its_length(piece: bytes) -> None:
    """A quarter of a megabyte of anything; what is quadratic would take minutes."""
    check_amplified(piece)
