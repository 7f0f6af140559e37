"""Redaction: matches are removed, and the rest is unchanged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from otlp2parquet_ext.records.telemetry.decode import Event, decode
from otlp2parquet_ext.records.telemetry.redact import MASK_ALL, RedactError, compile_rules

PASSWORD = compile_rules(r"password=(\S+)")
CARD = compile_rules(r"\b\d{16}\b|password=(\S+)")


def event(record: str, kind: str = "function") -> str:
    """Make an event as Lambda writes it; `record` is JSON text."""
    return f'{{"time":"2026-03-14T09:26:53.540Z","type":"{kind}","record":{record}}}'


def body(*records: str, kind: str = "function") -> bytes:
    """Make a delivery."""
    return f"[{','.join(event(record, kind) for record in records)}]".encode()


@pytest.mark.parametrize(
    ("record", "masked"),
    [
        ('"user=bob password=hunter2 ok"', '"user=bob password=[redacted] ok"'),
        ('{"password":"hunter2","n":1}', '{"password":"[redacted]","n":1}'),
        ('{ "password" :\t"hunter2" }', '{ "password" :\t"[redacted]" }'),
        ('{"password":12345}', '{"password":"[redacted]"}'),
        ('{"password":["a","b"]}', '{"password":["[redacted]","[redacted]"]}'),
        ('{"a":{"b":[{"password":"x"}]}}', '{"a":{"b":[{"password":"[redacted]"}]}}'),
        (r'{"pass\u0077ord":"hun\"ter2"}', r'{"pass\u0077ord":"[redacted]"}'),
        (r'"\ud83d\ude00 password=\ud83d\ude00\t"', r'"\ud83d\ude00 password=[redacted]\t"'),
        ('{"password":"a","password":"b"}', '{"password":"[redacted]","password":"[redacted]"}'),
        ('{"n":123456789012345678901234567890,"password":null}', None),
        ('{"x":1.50e+10,"y":[true,null,-0],"z":"p\\u00e4ssword=x"}', None),
    ],
)  # fmt: skip
def test_a_rule_masks_the_text_line_and_the_field_and_nothing_else(
    record: str, masked: str | None
) -> None:
    """Big integers, escapes, white space and equal keys stay as they were spelled."""
    assert PASSWORD.body(body(record)) == body(masked or record)


def test_where_an_alternative_has_groups_only_they_are_masked() -> None:
    """The name in front of a secret is what makes a line readable."""
    record = '"password=x 4111111111111111 password=y"'
    masked = '"password=[redacted] [redacted] password=[redacted]"'
    assert CARD.body(body(record)) == body(masked)


def test_a_masked_number_becomes_a_string() -> None:
    """No number can mark a value as masked."""
    assert CARD.body(body('{"card":4111111111111111,"n":42}')) == body(
        '{"card":"[redacted]","n":42}'
    )


def test_a_key_is_masked_when_the_match_lies_in_it() -> None:
    """A program that counts by e-mail address has secrets in keys."""
    rules = compile_rules(r"[\w.]{1,64}@[\w.]+")
    assert rules.body(body('{"bob@example.com":1,"eve":2}')) == body('{"[redacted]":1,"eve":2}')


@pytest.mark.parametrize("rules", [compile_rules(r"\w+"), MASK_ALL])
def test_what_the_mapping_needs_stays(rules: Any) -> None:
    """Type, time, and the request id of platform events; that of other events may be anything."""
    report = '{"requestId":"r-1","status":"x","tracing":{"requestId":"r-1"}}'
    masked = rules.body(body(report, kind="platform.report"))
    (found,) = json.loads(masked)
    assert (found["time"], found["type"]) == ("2026-03-14T09:26:53.540Z", "platform.report")
    assert found["record"].pop("requestId") == "r-1"
    assert "r-1" not in json.dumps(found["record"])
    assert "r-1" not in rules.body(body('{"requestId":"r-1"}')).decode()


def test_fields_nobody_announced_are_searched_too() -> None:
    """They become attributes, and so leave memory. A type after them does not protect them."""
    odd = b'[{"password":"a","record":{"requestId":"password=b"},"type":"platform.x","time":"t"}]'
    assert PASSWORD.body(odd) == odd.replace(b'"a"', b'"[redacted]"').replace(b"=b", b"=[redacted]")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (b"password=hunter2", b"password=[redacted]"),
        (b'[{"type":"function","record":"password=a"', b'[{"type":"function","record":"password=['),
        (b'[{"type":"function","record":{password=a }', b"{password=[redacted] }"),
        (b"\xff\xfe password=a \xff", b"\xff\xfe password=[redacted] \xff"),
        (b'{"a":"\\q password=x"} trailing', b'{"a":"\\q password=[redacted]'),
        (b'"\\', b'"\\'),
        (b"", b""),
    ],
)
def test_a_malformed_body_is_searched_as_text(text: bytes, masked: bytes) -> None:
    """It becomes a row with its text, so that has to be masked."""
    redacted = PASSWORD.body(text)
    assert masked in redacted
    assert b"=a" not in redacted
    assert b"=x" not in redacted


def test_with_an_expression_that_cannot_be_used_nothing_readable_leaves() -> None:
    """Fail safe: what was meant to be hidden is hidden, and so is the rest."""
    masked = MASK_ALL.body(body('"hello"', '{"a":1,"b":["c",true]}', "7"))
    assert masked == body(
        '"[redacted]"', '{"a":"[redacted]","b":["[redacted]",true]}', '"[redacted]"'
    )
    assert MASK_ALL.body(b"no json, hello") == b"[redacted]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("password=(", "missing ), unterminated subpattern"),
        ("*", "nothing to repeat"),
        ("(a+)+$", "a repeat without end"),
        ("(?:a|b*)*c", "a repeat without end"),
        ("(x*)*", "a repeat without end"),
        (r"[\w.]+@[\w.]+", "a repeat without end"),
        ("a.*b", "a repeat without end"),
        (r"\s+x", "a repeat without end"),
        (r"x\s+\s+y", "a repeat without end"),
        ("(?=.*x)y", "a repeat without end"),
        ("(a{1,99999}b)", "a repeat without end"),
        ("(?:a?){64}a{64}", "too many ways"),
        ("(?:ab|a b?){20}c", "too many ways"),
    ],
)
def test_an_expression_that_is_none_or_slow_is_refused(text: str, why: str) -> None:
    """A running expression cannot be interrupted, and delays `next`."""
    with pytest.raises(RedactError) as caught:
        compile_rules(text)
    assert why in str(caught.value)
    assert str(caught.value).startswith("OTLP2PARQUET_REDACT: ")
    assert "every text and number is masked" in str(caught.value)


def test_the_error_does_not_quote_the_expression() -> None:
    """It may contain the secret word itself."""
    with pytest.raises(RedactError) as caught:
        compile_rules("hunter2(")
    assert "hunter2" not in str(caught.value)


FAST = [
    r"password=(\S+)",
    r"(?i)authorization\W{1,4}(\S+)",
    r"Bearer\s+(\S+)",
    r'"?password"?\s*[:=]\s*"?([^"\s]+)',
    r"\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.]+",
    r"\b(?:\d[ -]?){13,16}\b",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"AKIA[0-9A-Z]{16}|(?:password|secret)\s*=\s*(\S+)",
    r"-----BEGIN[\s\S]{1,8000}?-----END",
]
HOSTILE = ["a" * 262_144, "password=" * 29_000, " " * 262_144, "1 " * 131_072, "Bearer \t" * 32_000]


@pytest.mark.parametrize("text", FAST)
def test_what_is_allowed_is_fast_on_hostile_text(text: str) -> None:
    """As long as a line of Lambda's may be; a refused one takes minutes on the first of these."""
    rules = compile_rules(text)
    for hostile in HOSTILE:
        delivery = body(json.dumps(hostile))
        started = time.process_time()
        rules.body(delivery)
        assert time.process_time() - started < 5


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of Python's, about sets in sets
@examples(0.75)
@given(st.text(alphabet="ab.*+?()[]{}|1,\\d^$", max_size=12))
def test_any_expression_is_refused_or_fast(text: str) -> None:
    """There is no third."""
    try:
        rules = compile_rules(text)
    except RedactError:
        return
    started = time.process_time()
    rules.body(body(json.dumps("ab1," * 5_000 + "a" * 20_000)))
    assert time.process_time() - started < 5


def test_the_expression_of_the_docs_does_what_they_say() -> None:
    """It is what people copy."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    (text,) = re.findall("OTLP2PARQUET_REDACT='(.+)'", page)
    line = "Password=a, Bearer b, bob@example.com, 4111111111111111"
    masked = "Password=[redacted] Bearer [redacted] [redacted], [redacted]"
    assert compile_rules(text).body(body(json.dumps(line))) == body(json.dumps(masked))
    both = compile_rules(r"password\W{1,4}(\w+)")
    inside = json.dumps(json.dumps({"password": "x"}))
    assert b"x" not in both.body(body(inside)).replace(b"password", b"")
    assert both.body(body('{"password":"x"}')) == body('{"password":"[redacted]"}')


def test_who_redacts_nothing_does_not_even_load_it() -> None:
    """Its expressions alone take a millisecond to compile."""
    code = "import sys, otlp2parquet_ext.extension.agent; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "otlp2parquet_ext.records.telemetry.peek" in ran.stdout.split()
    assert "otlp2parquet_ext.records.telemetry.redact" not in ran.stdout.split()


HIDDEN = "s3cr3t"
WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([HIDDEN, f"a {HIDDEN}", f"{HIDDEN}{HIDDEN}", "\\", '"', "\ud83d", "😀", ""]),
    st.tuples(st.text(max_size=4), st.text(max_size=4)).map(HIDDEN.join),
)
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)
DELIVERIES = st.builds(
    lambda records, ascii_, indent: json.dumps(
        [{"time": "t", "type": "function", "record": record} for record in records],
        ensure_ascii=ascii_,
        indent=indent,
    ).encode(errors="surrogatepass"),
    st.lists(VALUES, max_size=5),
    st.booleans(),
    st.sampled_from([None, 1]),
)


@examples(0.75)
@given(DELIVERIES)
def test_nothing_that_matches_remains_and_json_stays_json(delivery: bytes) -> None:
    """However it is escaped, nested or repeated; and all other values are what they were."""
    redacted = compile_rules(HIDDEN).body(delivery)
    try:
        before = json.loads(delivery)
    except UnicodeDecodeError:  # a lone surrogate, as bytes: no JSON, but no secret either
        assert HIDDEN.encode() not in redacted
        return
    after = json.loads(redacted)
    assert HIDDEN not in json.dumps(after, ensure_ascii=False)
    assert len(after) == len(before)
    if HIDDEN not in json.dumps(before, ensure_ascii=False):
        assert redacted is delivery


@examples(0.75)
@given(st.one_of(DELIVERIES, st.binary(max_size=60), DELIVERIES.map(lambda d: d[: len(d) // 2])))
def test_without_a_match_the_body_is_the_same_object(delivery: bytes) -> None:
    """This holds for any bytes."""
    assert compile_rules("no such thing").body(delivery) is delivery


@examples(0.75)
@given(DELIVERIES)
def test_masking_everything_leaves_no_text_and_no_number(delivery: bytes) -> None:
    """The envelope is still an envelope."""
    masked = MASK_ALL.body(delivery)
    if masked == b"[redacted]":  # no JSON to begin with
        return
    for found in decode(masked):
        assert isinstance(found, Event)
        assert _leaves(json.loads(bytes(found.record))) <= {"[redacted]", "", None, True, False}


def _leaves(value: object) -> set[object]:
    if isinstance(value, dict):
        return _leaves(list(value.values()))
    if isinstance(value, list):
        return set().union(*map(_leaves, value))
    return {value}
