"""Typical mistakes in reading telemetry: one or a few tests for each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import LogTable, log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

OBSERVED_US = 1_773_482_400_000_000  # 2026-03-14T10:00:00Z
TIME = "2026-03-14T09:26:53.540Z"
CONTEXT = EnvironmentContext(instance_id="i-1", function_name="orders", function_version="17")


def mapped(*bodies: bytes) -> LogTable:
    """Map bodies that all came at `OBSERVED_US`."""
    return log_table([Delivery(body, OBSERVED_US) for body in bodies], CONTEXT, Invocations())


def rows(*bodies: bytes) -> list[dict[str, Any]]:
    """Map bodies and give the rows."""
    made: list[dict[str, Any]] = mapped(*bodies).table.to_pylist()
    return made


def function_event(record: str) -> bytes:
    """Put JSON text into the envelope of a function's event."""
    return f'[{{"time":"{TIME}","type":"function","record":{record}}}]'.encode()


def attributes(record: str) -> str:
    """Give the `LogAttributes` text of a function's record, without the type."""
    (row,) = rows(function_event(record))
    text = str(row["LogAttributes"])
    assert text.startswith('{"type":"function",')
    assert isinstance(json.loads(text), dict)
    return "{" + text.removeprefix('{"type":"function",')


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740993",
        "-9223372036854775808",
        "9223372036854775807",
        "1790000000123456789",
        "1.10",
        "1e5",
        "1E+2",
        "0.1234567890123456789012",
        "-0",
        "-0.0",
        "123456789012345678.5",
    ],
)
def test_numbers_keep_their_spelling(number: str) -> None:
    """A parser that uses doubles changes integers above 2^53 and cuts digits."""
    assert attributes(f'{{"n":{number}}}') == f'{{"n":{number}}}'
    assert attributes(f'{{"n":[{{"m":{number}}}]}}') == f'{{"n":[{{"m":{number}}}]}}'


@pytest.mark.parametrize(
    "number",
    ["9223372036854775808", "-9223372036854775809", "18446744073709551615", "1" * 5000, "1e400"],
)
def test_numbers_that_do_not_fit_become_strings(number: str) -> None:
    """Readers would turn them into infinities or floats; as strings they are exact."""
    assert attributes(f'{{"n":{number}}}') == f'{{"n":"{number}"}}'
    assert attributes(f'{{"n":[{{"m":{number}}}]}}') == f'{{"n":[{{"m":"{number}"}}]}}'
    assert attributes(f'{{ "n": [1, {number}] }}') == f'{{"n":[1,"{number}"]}}'


def test_a_record_that_is_a_number_beyond_64_bits_is_exact_too() -> None:
    """The rule is about numbers, not about attributes."""
    (row,) = rows(function_event("123456789012345678901"))
    assert row["Body"] == "123456789012345678901"


def test_digits_inside_strings_stay_strings() -> None:
    """An order number of twenty digits looks like an integer, but is none."""
    record = '{"id":"12345678901234567890","t":",12345678901234567890,"}'
    assert attributes(record) == record


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_become_strings(word: str) -> None:
    """They are no JSON, yet Python's json module writes them."""
    assert attributes(f'{{"n":{word},"m":[1,{word}]}}') == f'{{"n":"{word}","m":[1,"{word}"]}}'


def test_lone_surrogates_are_replaced() -> None:
    """Half a character cannot be written as UTF-8."""
    assert attributes(r'{"s":"a\ud800b","\udc00":1}') == '{"s":"a\ufffdb","\ufffd":1}'
    assert rows(function_event(r'"a\ud800"'))[0]["Body"] == "a\ufffd"


def test_escaped_characters_mean_the_same_unescaped() -> None:
    """Runtimes that write ASCII only escape what others write as it is."""
    parsed = json.loads(attributes(r'{"s":"\u00e9\ud83d\ude00\/\u0027","k\u00e9y":1.50}'))
    assert parsed == {"s": "é😀/'", "kéy": 1.5}


def test_invalid_utf8_is_replaced() -> None:
    """A function may print any bytes."""
    (row,) = rows(function_event('"a?b"').replace(b"?", b"\xff"))
    assert row["Body"] == "a\ufffdb"


def test_nul_survives_in_text_and_stays_escaped_in_json() -> None:
    """Arrow and Parquet hold NUL; JSON text must not."""
    assert rows(function_event(r'"a\u0000b"'))[0]["Body"] == "a\x00b"
    assert attributes(r'{"s":"a\u0000b"}') == r'{"s":"a\u0000b"}'


def test_raw_control_characters_are_escaped() -> None:
    """Strict JSON forbids them; a sloppy writer does not know."""
    assert attributes('{"s":"a\tb\x01"}') == r'{"s":"a\tb\u0001"}'


def test_duplicate_keys_survive() -> None:
    """A dict would keep only the last; the last is also the one that is read."""
    assert attributes('{"a":1,"a":2,"b":3,"a":[4, 5]}') == '{"a":1,"a":2,"a":[4,5],"b":3}'
    (row,) = rows(function_event('{"message":"first","message":"last"}'))
    assert row["Body"] == "last"
    assert row["LogAttributes"] == '{"type":"function","message":"first"}'


def test_duplicate_keys_that_are_ours_are_renamed() -> None:
    """Otherwise an earlier duplicate could overwrite our value."""
    assert attributes('{"type":1,"type":2}') == '{"record.type":1,"record.type":2}'


def test_nested_duplicates_and_nested_white_space() -> None:
    """Nested values are stored unchanged, but compact."""
    assert attributes('{"n": {"a": 1.50, "a": [ 2 ] }}') == '{"n":{"a":1.50,"a":[2]}}'


def test_a_type_inside_a_record_is_only_a_field() -> None:
    """Dispatch is on the envelope's type."""
    (row,) = rows(function_event('{"type":"platform.report","message":"m"}'))
    assert row["EventName"] == "function"
    assert json.loads(row["LogAttributes"])["record.type"] == "platform.report"


def test_a_body_that_is_no_json_is_one_row() -> None:
    """A retry could not help, so it was answered 200 and must be somewhere."""
    made = mapped(b"<html>no\xff</html>")
    (row,) = made.table.to_pylist()
    assert made.malformed == 1
    assert row["Body"] == "<html>no\ufffd</html>"
    assert row["EventName"] == "otlp2parquet_ext.malformed"
    assert row["LogAttributes"] == '{"type":"otlp2parquet_ext.malformed"}'
    assert row["SeverityNumber"] == 0
    assert row["Timestamp"] == row["ObservedTimestamp"]


def test_one_bad_event_never_costs_its_neighbours() -> None:
    """Every published mapper loses a batch to one unexpected event."""
    good = function_event('"good"')[1:-1]
    bad = [b'{"time":"x","type":"function","record":{"a":1,}}', b"3", b'{"record":"no type"}']
    made = mapped(b"[" + b",".join([good, bad[0], good, bad[1], bad[2], good]) + b"]")
    bodies = made.table.column("Body").to_pylist()
    assert bodies == ["good", bad[0].decode(), "good", "3", bad[2].decode(), "good"]
    assert made.malformed == 3


def test_a_record_nested_beyond_reading_is_kept_as_text() -> None:
    """Depth is the one thing a valid record can have too much of."""
    for depth in (100, 300, 500, 900, 990, 1000, 2000, 100_000):
        record = '{"a":' * depth + "1" + "}" * depth
        made = mapped(function_event(record)[:-1] + b"," + function_event('"good"')[1:])
        bodies = made.table.column("Body").to_pylist()
        assert len(bodies) == 2
        assert record in bodies[0]
        assert bodies[1] == "good"


def test_no_deliveries_and_empty_deliveries_give_no_rows() -> None:
    """The platform sends empty arrays; a table without rows is still a table."""
    assert mapped().table.num_rows == 0
    made = mapped(b"[]", b"", b" \n")
    assert made.table.num_rows == 0
    assert made.malformed == 0
    assert made.table.num_columns == 22


def test_rows_keep_the_order_of_the_events() -> None:
    """Order inside a batch is all a reader has inside one millisecond."""
    bodies = [
        b"[" + b",".join(function_event(f'"{part}.{i}"')[1:-1] for i in range(3)) + b"]"
        for part in range(1200)
    ]
    found = mapped(*bodies).table
    wanted = [f"{part}.{i}" for part in range(1200) for i in range(3)]
    assert found.column("Body").to_pylist() == wanted
    assert found.column("ServiceName").to_pylist() == ["orders"] * 3600
    found.validate(full=True)


def test_observed_time_is_that_of_the_delivery() -> None:
    """One value per delivery, never zero."""
    deliveries = [Delivery(function_event('"m"'), OBSERVED_US + i) for i in (1, 2)]
    made = log_table(deliveries, CONTEXT, Invocations()).table.column("ObservedTimestamp")
    assert [value.value for value in made] == [OBSERVED_US + 1, OBSERVED_US + 2]


def test_the_same_deliveries_give_the_same_table() -> None:
    """File names follow from content; a retried flush must find its own file."""
    body = function_event('{"message":"m","b":1,"a":{"z":1,"y":2}}')
    assert mapped(body, body).table.equals(mapped(body, body).table, check_metadata=True)
