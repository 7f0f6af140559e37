"""The short ways from a usual event to its row, beside the long way every event can take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import reference_mix
from either_way import REQUEST, ROOT, STARTED, TIMES, TRACE_ID, assert_equal_either_way, mapped
from hypothesis import example, given
from hypothesis import strategies as st

from otlp2parquet_ext.records.mapping.fast_path import FastPath
from otlp2parquet_ext.records.mapping.fast_path_platform import FastPathPlatform
from otlp2parquet_ext.records.mapping.shapes import MOST_SHAPES, Shapes, learn_shape

CAPTURED = [
    case["event"]
    for path in sorted((Path(__file__).parent / "events").glob("*.json"))
    for case in json.loads(path.read_bytes())
]

VALUES: dict[str, list[Any]] = {
    "message": ["Basket loaded", "", "naïve", None, {"errorType": "E", "b": 1}, 7],
    "msg": ["m"],
    "level": ["INFO", "warning", "", None, 30],
    "severity": ["ERROR", ""],
    "timestamp": [*TIMES, 1_773_480_413],
    "time": TIMES,
    "requestId": [REQUEST, "another", "", None],
    "AWSRequestId": [REQUEST, ""],
    "xray_trace_id": [ROOT, "1-0-0", None],
    "trace_id": [TRACE_ID, "0" * 32, "no", 5],
    "span_id": ["00f067aa0ba902b7"],
    "errorType": ["LimitError", None],
    "type": ["order"],
    "faas.invocation_id": ["i"],
    "a": [1.5, -0.0, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, [[[[[[[[1]]]]]]]], {"b": [2**63]}, "ü"],
    "b": [{"c": None}, [], {}, "\n", "</a>"],
}
RECORDS = st.lists(st.sampled_from(list(VALUES)), unique=True, max_size=8).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.sampled_from(VALUES[key]) for key in keys})
)
LINES = st.sampled_from(
    [
        f"[INFO]\t2026-03-14T09:26:53.589Z\t{REQUEST}\tBasket loaded\n",
        f"[ODD]\t2026-03-14T09:26:53.589Z\t{REQUEST}\tBasket loaded\r\n",
        "[INFO]\t2026-03-14T09:26:53.589Z\t\tno request\r",
        f"2026-03-14T09:26:53.589Z\t{REQUEST}\tERROR\tnode",
        "2026-03-14T09:26:53.589Z\tundefined\tINFO\tnode",
        "[ERROR] KeyError: 'a'\nTraceback (most recent call last):\n",
        "plain\n\n",
        "",
        "{not json",
        '{"message": 1e400}',
        '{"a":NaN}',
    ]
)


def spelled(record: object, style: str) -> str:
    """Write a record as loggers do: compact, with spaces, escaped, floats and keys their way."""
    if style == "spaces":
        return json.dumps(record)
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=style == "escaped")
    if style == "numbers":
        return text.replace("1.5", "1.50e0")
    if style == "twice" and text.startswith('{"'):
        return '{"a":1,"message":"first",' + text[1:]
    return text


STYLES = st.sampled_from(["compact", "compact", "compact", "spaces", "escaped", "numbers", "twice"])
PAYLOADS = st.one_of(
    st.builds(spelled, RECORDS, STYLES),
    LINES.map(json.dumps),
    st.builds(spelled, RECORDS, STYLES).map(json.dumps),
)
EVENTS = st.builds(
    lambda time, kind, record: f'{{"time":{json.dumps(time)},"type":"{kind}","record":{record}}}',
    st.sampled_from(TIMES),
    st.sampled_from(["function", "function", "function", "extension", "news", "platform.news"]),
    PAYLOADS,
)


@given(events=st.lists(EVENTS, min_size=1, max_size=6), managed=st.booleans())
@example(events=['{"time":"","type":"function","record":"{}"}'], managed=False)
def test_any_records_give_the_same_rows_either_way(*, events: list[str], managed: bool) -> None:
    """For the output of any logger the fast path may not change a stored byte."""
    for context in ({}, {"managed": managed}):
        for first in ([], [json.dumps(STARTED)]):
            body = f"[{','.join([*first, *events])}]".encode()
            assert_equal_either_way([body], **context)


def test_captured_events_give_the_same_rows_either_way() -> None:
    """Captured events of runtimes and platforms are mapped one by one, and in one batch."""
    bodies = [json.dumps([event], separators=(",", ":")).encode() for event in CAPTURED]
    assert_equal_either_way([json.dumps(CAPTURED, separators=(",", ":")).encode(), *bodies])
    for body in bodies:
        assert_equal_either_way([body])


@pytest.mark.parametrize("per_delivery", [1, 5, 500])
def test_the_reference_mix_gives_the_same_rows_either_way(per_delivery: int) -> None:
    """Invocations begin and end between its lines."""
    assert_equal_either_way(list(reference_mix.bodies(1_000, per_delivery)))


@pytest.mark.parametrize(("way", "least"), [(FastPath, 300), (FastPathPlatform, 70)])
def test_the_events_of_the_mix_take_the_short_way(
    way: type[FastPath | FastPathPlatform], least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a change sent them all along the general path, only the cost would show it."""
    taken: list[bool] = []
    real = way.row

    def row(self: Any, event: Any) -> Any:
        made = real(self, event)
        taken.append(made is not None)
        return made

    monkeypatch.setattr(way, "row", row)
    mapped(list(reference_mix.bodies(500)))
    assert len(taken) > least
    assert all(taken)


def test_shapes_are_remembered_up_to_a_bound() -> None:
    """A logger that puts ids into keys makes a shape with each record."""
    shapes: Shapes = {}
    for number in range(MOST_SHAPES + 50):
        assert learn_shape(shapes, ("message", f"order {number}")) is not None
    assert len(shapes) == MOST_SHAPES
