"""The short way of the three events every invocation brings, beside the long way any can take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from either_way import ARN, HEADER, INVOKES, REQUEST, ROOT, STARTED, TIMES, assert_equal_either_way
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otlp2parquet_ext.records.mapping.fast_path_platform import (
    EVENTS,
    MOST_STARTS,
    FastPathPlatform,
)
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.times import Clock
from otlp2parquet_ext.records.mapping.trace import TracingReader
from otlp2parquet_ext.records.telemetry.decode import Event, decode_as_sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.telemetry.values import Invoke

TRACING = {"spanId": "4f1e2d3c4b5a6978", "type": "X-Amzn-Trace-Id", "value": HEADER}
SPAN = {"name": "responseLatency", "start": TIMES[0], "durationMs": 1.5}
METRICS = {"durationMs": 1.5, "billedDurationMs": 2, "memorySizeMB": 512, "maxMemoryUsedMB": 141}
VALUES: dict[str, list[Any]] = {
    "version": ["$LATEST", "$LATEST", "17", "", None],
    "status": ["success", "success", "success", "timeout", "two words", "", None, ["odd"]],
    "errorType": ["Runtime.ExitError", "", None],
    "tenantId": ["t-1", "", 7],
    "functionArn": [ARN, "", None],
    "tracing": [
        TRACING,
        TRACING,
        TRACING,
        {**TRACING, "spanId": "0" * 16},
        {**TRACING, "spanId": "4F1E2D3C4B5A6978"},
        {**TRACING, "spanId": None},
        {"value": f"Root={ROOT};Parent=0000000000000000;Sampled=0;Lineage=a:0"},
        {"value": f"Root=1-00000000-{'0' * 24};Parent=00f067aa0ba902b7;Sampled=1"},
        {"value": "Sampled=1"},
        {"spanId": "4f1e2d3c4b5a6978"},
        {"requestId": "inner", "value": HEADER},
        {},
        None,
        [],
    ],
    "metrics": [
        METRICS,
        METRICS,
        {**METRICS, "initDurationMs": 398.715},
        {**METRICS, "restoreDurationMs": 1.5, "billedRestoreDurationMs": 200},
        {"durationMs": 1.5, "producedBytes": 512},
        {"billedDurationMs": 2**53 + 1, "memorySizeMB": -0.0, "maxMemoryUsedMB": 2.5},
        {"durationMs": 2**63 - 1},
        {"durationMs": 2**63},
        {"durationMs": -(2**63) - 1},
        {"durationMs": 2**64, "producedBytes": 1.5},
        {"durationMs": True},
        {"durationMs": "1.5"},
        {"initDurationMs": None},
        {"more": {"durationMs": 1}},
        {},
        [1],
    ],
    "spans": [[SPAN], [SPAN, SPAN], [], [{}], [{**SPAN, "more": 2**64}], {"a": SPAN}, None],
    "unknown": [1.5, 2**64, {"a": [2**63]}, "ü"],
}
USUAL_FIELDS = ("version", "status", "tracing", "metrics", "spans")
REQUEST_IDS = ["another", "r1", "", 'a"b', "b\\", "naïve", "a b", None, 7]


def _fields(keys: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw records with these fields, most of them with the request id first."""
    request = st.sampled_from([0, 0, 0, 0, len(keys)])
    values = st.tuples(*(st.sampled_from(VALUES[key]) for key in keys))

    def record(request_id: object, position: int, drawn: tuple[Any, ...]) -> dict[str, Any]:
        pairs = list(zip(keys, drawn, strict=True))
        pairs.insert(position, ("requestId", request_id))
        return dict(pairs)

    ids = st.sampled_from([*[REQUEST] * 9, *REQUEST_IDS])
    return st.builds(record, ids, request, values)


SPELLINGS = [
    (",", ", "),
    ('":', '" :'),
    (":1.5", ":1.50e0"),
    (":1.5", ":1e400"),
    (":1.5", ":-0"),
    (":1.5", ":NaN"),
    (":1.5", ":1.00000000000000000000"),
    (":1.5", ":12345678901234567890.5"),
    (":1.5", ":\t1.5"),
    (":512", ":512\r"),
    (":512", ":512\n"),
    ("success", "\\u0073uccess"),
    ("success", ":success"),
    ("success", r"\":success"),
    ('"status"', '"st\\u0061tus"'),
    ('"status":', '"status":"timeout","status":'),
    ('"requestId":', '"requestId":"first","requestId":'),
    ('"metrics":', '"metrics":{"durationMs":7},"metrics":'),
    ('"type":', '"type":"first","type":'),
    ('"durationMs":', '"durationMs":7,"durationMs":'),
    ('"name":', '"name":"first","name":'),
    ("$LATEST", ",12345678901234567890"),
    ("$LATEST", "\\u0024LATEST,12345678901234567890"),
]
PLAIN = ("", "")


def spelled(record: dict[str, Any], spelling: tuple[str, str]) -> str:
    """Write a record compactly, as Lambda does, with some values spelled in another way."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    return text.replace(*spelling) if spelling[0] else text


PLATFORM_EVENTS = st.builds(
    lambda time, kind, record: f'{{"time":{json.dumps(time)},"type":"{kind}","record":{record}}}',
    st.sampled_from([*TIMES[:1] * 8, *TIMES]),
    st.sampled_from(sorted(EVENTS)),
    st.builds(
        spelled,
        st.one_of(
            st.lists(st.sampled_from(USUAL_FIELDS), unique=True),
            st.lists(st.sampled_from(list(VALUES)), unique=True),
        ).flatmap(_fields),
        st.sampled_from([*[PLAIN] * 24, *SPELLINGS]),
    ),
)

OTHERS = st.sampled_from(
    [
        f'{{"time":"{TIMES[0]}","type":"function","record":"plain"}}',
        f'{{"time":"{TIMES[2]}","type":"function","record":"plain"}}',
        f'{{"time":"{TIMES[0]}","type":"platform.initStart","record":{{"functionVersion":"3"}}}}',
        f'{{"time":"{TIMES[0]}","type":"platform.start","record":[1]}}',
        f'{{"type":"platform.start","record":{{"requestId":"{REQUEST}"}}}}',
        f'{{"time":"{TIMES[0]}","type":"platform.report","record":{{"requestId":"{REQUEST}"}},"n":1}}',
        "7",
    ]
)


def short_way() -> FastPathPlatform:
    """Return the short way of an empty batch."""
    return FastPathPlatform(Clock(), TracingReader(), Invocations(), set(), "17")


def decoded(sent: list[dict[str, Any]]) -> list[Event]:
    """Return events as they are read from a delivery."""
    parts = decode_as_sent(json.dumps(sent, separators=(",", ":")).encode())
    return [part for part in parts if isinstance(part, Event)]


@pytest.mark.parametrize("invokes", [[], INVOKES[:1], INVOKES[1:]], ids=["none", "first", "next"])
@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_one_oddity_at_a_time_changes_no_row(event_type: str, invokes: list[Invoke]) -> None:
    """Each value and each spelling in a record that is otherwise a usual one, by itself."""
    base = {"requestId": REQUEST, **{key: VALUES[key][0] for key in USUAL_FIELDS}}
    odd = [{**base, key: value} for key, values in VALUES.items() for value in values]
    odd += [{**base, "requestId": value, "status": "error"} for value in REQUEST_IDS]
    odd += [{"status": "error", **base}]
    records = [spelled(record, PLAIN) for record in odd]
    records += [spelled(base, spelling) for spelling in SPELLINGS]
    for record in records:
        event = f'{{"time":"{TIMES[0]}","type":"{event_type}","record":{record}}}'
        assert_equal_either_way([f"[{event}]".encode()], invokes)


def test_each_event_names_how_its_own_invocation_was_invoked() -> None:
    """The alias of one invocation must not be remembered for the next."""
    other = replace(INVOKES[1], request_id="another", received_us=INVOKES[2].received_us)
    records = [{"requestId": request_id} for request_id in (REQUEST, "another", REQUEST, "r1")]
    events = [{"time": TIMES[0], "type": "platform.start", "record": each} for each in records]
    body = json.dumps(events, separators=(",", ":")).encode()
    assert_equal_either_way([body], [INVOKES[0], other])


@given(
    events=st.lists(st.one_of(PLATFORM_EVENTS, PLATFORM_EVENTS, OTHERS), min_size=1, max_size=6),
    invokes=st.lists(st.sampled_from(INVOKES), unique_by=lambda invoke: invoke.request_id),
    started=st.booleans(),
)
def test_any_platform_events_give_the_same_rows_either_way(
    *, events: list[str], invokes: list[Invoke], started: bool
) -> None:
    """A field more, twice, of another type or spelled otherwise is what the long way is for."""
    first = [json.dumps(STARTED, separators=(",", ":"))] if started else []
    body = f"[{','.join([*first, *events])}]".encode()
    assert_equal_either_way([body], invokes)
    assert_equal_either_way([body, body], managed=True)


@pytest.mark.parametrize(
    "fields", [[], ["tracing"], ["tracing", "version"], [*reversed(VALUES)][1:]]
)
@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_order_and_absence_of_known_fields_are_nothing_unusual(
    event_type: str, fields: list[str]
) -> None:
    """Lambda does not promise an order of fields, or that all exist."""
    record = {"requestId": REQUEST, **{key: VALUES[key][0] for key in fields}}
    (event,) = decoded([{"time": TIMES[0], "type": event_type, "record": record}])
    assert short_way().row(event) is not None


def test_starts_are_remembered_up_to_a_bound_and_in_any_case_mapped() -> None:
    """The memory for the second pass must not grow with the batch."""
    starts = [{**STARTED, "record": {"requestId": f"r{n}"}} for n in range(MOST_STARTS + 50)]
    way, events = short_way(), decoded(starts)
    assert None not in list(map(way.start, events))
    assert len(way.starts) == MOST_STARTS
    assert None not in list(map(way.row, events))
    assert not way.starts
    assert_equal_either_way([json.dumps(starts, separators=(",", ":")).encode()])
