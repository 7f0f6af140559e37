"""Bodies → events: no bytes raise an error, and none is lost."""

from __future__ import annotations

import time

import pytest

from otlp2parquet_ext.records.telemetry.decode import MOST_PARTS, Event, Malformed, OddEvent, decode

GOOD = '{"time":"t","type":"function","record":"good"}'


def told(body: bytes | str) -> list[str]:
    """Decode a body; give events as `type:record`, malformed parts as `!text`."""
    raw = body if isinstance(body, bytes) else body.encode()
    return [
        f"!{part.text}"
        if isinstance(part, Malformed)
        else f"{part.type}:{bytes(part.record).decode()}"
        for part in decode(raw)
    ]


def test_an_event_is_its_type_its_time_and_its_record_as_text() -> None:
    """The record is read when it is mapped, not before."""
    (event,) = decode(b'[{"time":"t","type":"x","record":{"a":[1,2.50]}}]')
    assert isinstance(event, Event)
    assert (event.type, event.time, bytes(event.record)) == ("x", "t", b'{"a":[1,2.50]}')


@pytest.mark.parametrize("body", ["", " \r\n\t", "[]", " [ ] ", "\ufeff[]", "["])
def test_a_body_that_says_nothing_gives_nothing(body: str) -> None:
    """There is nothing to lose in it."""
    assert told(body) == []


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("not JSON", ["!not JSON"]),
        (GOOD, [f"!{GOOD}"]),
        ("17", ["!17"]),
        ('"text, [with] {marks}"', ['!"text, [with] {marks}"']),
        (f"[{GOOD},]", ["good"]),
        (f"[{GOOD},,{GOOD}]", ["good", "good"]),
        (f"[{GOOD}", ["good"]),
        (f"[{GOOD},{GOOD[:30]}", ["good", f"!{GOOD[:30]}"]),
        (f"[{GOOD}] tail", ["good", "!tail"]),
        (f"[{GOOD}][{GOOD}]", ["good", f"![{GOOD}]"]),
        (f"\ufeff[{GOOD}]", ["good"]),
        (f"[{GOOD},null,1,[2],{GOOD}]", ["good", "!null", "!1", "![2]", "good"]),
        (f'[{{"time":"t","record":1}},{GOOD}]', ['!{"time":"t","record":1}', "good"]),
        (f'[{{"type":1,"record":1}},{GOOD}]', ['!{"type":1,"record":1}', "good"]),
        (
            f'[{{"type":"x","record":{{"a":1,}}}},{GOOD}]',
            ['!{"type":"x","record":{"a":1,}}', "good"],
        ),
        (f"[{GOOD},{{'type':'x'}},{GOOD}]", ["good", "!{'type':'x'}", "good"]),
        (f'[{{"type":"x","record":"open}},{GOOD}]', ['!{"type":"x","record":"open}', "good"]),
        (f'[{{"type":"x","record":[1}},{GOOD}]', ['!{"type":"x","record":[1}', "good"]),
        (f"[{GOOD}}},{GOOD}]", [f"!{GOOD}}}", "good"]),
    ],
)
def test_good_events_are_kept_and_bad_parts_are_kept_as_text(body: str, parts: list[str]) -> None:
    """One part of a body never costs another."""
    assert told(body) == ['function:"good"' if part == "good" else part for part in parts]


def test_structure_inside_strings_is_text() -> None:
    """A log line may quote a whole delivery."""
    quoted = '{"type":"x","record":"],[{\\"type\\":\\"y\\"},\\\\"}'
    assert told(f"[{quoted},1]") == ['x:"],[{\\"type\\":\\"y\\"},\\\\"', "!1"]


def test_an_envelope_with_more_fields_keeps_them() -> None:
    """New fields appear without notice."""
    (event,) = decode(b'[{"type":"x","time":5,"record":1,"region":"eu"}]')
    assert isinstance(event, OddEvent)
    assert {key: bytes(raw) for key, raw in event.extra.items()} == {
        "time": b"5",
        "region": b'"eu"',
    }


def test_a_body_that_is_not_quite_json_is_read_part_by_part() -> None:
    """Python's json module writes NaN; half a surrogate comes from cut strings."""
    body = '[{"type":"x","record":{"a":NaN,"b":"\\ud800","a":1.50}},' + GOOD + "]"
    assert told(body) == ['x:{"a":"NaN","b":"\ufffd","a":1.50}', 'function:"good"']


def test_invalid_utf8_is_replaced_everywhere() -> None:
    """In strings, and in what is no JSON at all."""
    assert told(b'[{"type":"x","record":"a\xff"},\xfe]') == ['x:"a\ufffd"', "!\ufffd"]


@pytest.mark.parametrize(
    "body",
    [
        '["\\"' + '\\"' * 250_000,
        "[" + '{"time":"x,' * 50_000,
        "[" + '{"type":[' * 60_000,
        "[" + "{" * 500_000,
        "[" + "1a," * 150_000,
        '[{"x":' + ',{"time":1}' * 50_000,
        "[" + '"\\' * 250_000,
    ],
)
def test_hostile_bodies_cost_no_more_than_their_length(body: str) -> None:
    """Each character is read a bounded number of times: half a megabyte must not take minutes."""
    begin = time.process_time()
    assert decode(body.encode())
    assert time.process_time() - begin < 10


def test_a_body_of_millions_of_parts_is_cut_short() -> None:
    """No platform sends it; reading each as a row would cost seconds and a gigabyte."""
    parts = decode(b"[" + b"1," * 1_000_000 + b"1]")
    assert len(parts) == MOST_PARTS + 1
    assert isinstance(parts[-1], Malformed)
    assert len(parts[-1].text) > 1_900_000


def test_a_body_of_nothing_but_commas_is_one_part() -> None:
    """Otherwise its bytes would be lost without a row."""
    assert decode(b"[,,,,") == [Malformed("[,,,,")]
