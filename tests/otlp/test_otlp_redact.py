"""Redaction of OTLP requests: matches are removed, and everything else is unchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from requests_strategies import requests

from otlp2parquet_ext.records.otlp.messages import Signal, request_class
from otlp2parquet_ext.records.otlp.redact import redacted
from otlp2parquet_ext.records.otlp.requests import read_request
from otlp2parquet_ext.records.telemetry.redact import MASK_ALL, compile_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = re.compile(r"hunter\d|4111\d{12}")
RULES = compile_rules(SECRET.pattern)
SECRETS = ["hunter2", "my hunter1 and hunter3!", "4111111111111111"]


def strings(message: Any) -> Iterator[tuple[Any, Any, int | None]]:
    """Give every place of a text in a message: its message, its field, its index if repeated."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if field.is_repeated else (value,):
                yield from strings(below)
        elif field.type == field.TYPE_STRING:
            for index in range(len(value)) if field.is_repeated else (None,):
                yield message, field, index


def texts(message: Any) -> list[str]:
    """Give every text of a message, and its scalars as text."""
    found = []
    for field, value in message.ListFields():
        for one in value if field.is_repeated else (value,):
            found += texts(one) if field.message_type is not None else [str(one)]
    return found


def span(**attributes: Any) -> Any:
    """Make a request of one span whose attributes are AnyValues given by field."""
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add(name="charge")
    made.trace_id, made.span_id = bytes(range(16)), bytes(range(8))
    for key, value in attributes.items():
        pair = made.attributes.add(key=key)
        for kind, one in value.items():
            setattr(pair.value, kind, one)
    return request


def attributes(payload: bytes) -> dict[str, Any]:
    """Give the attributes of the one span of a payload."""
    request: Any = ExportTraceServiceRequest.FromString(payload)
    pairs = request.resource_spans[0].scope_spans[0].spans[0].attributes
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"string_value": "hunter2"}, "[redacted]"),
        ({"string_value": "a hunter2 b"}, "a [redacted] b"),
        ({"bytes_value": b"\xff hunter2 \x00"}, b"\xff [redacted] \x00"),
        ({"int_value": 4111111111111111}, "[redacted]"),
        ({"double_value": 4111111111111111.0}, "[redacted].0"),
        ({"int_value": 42}, 42),
        ({"bool_value": True}, True),
    ],
)
def test_a_value_is_masked_as_its_text(before: dict[str, Any], after: object) -> None:
    """A masked number becomes a string, because no number can mark it as masked."""
    payload = span(k=before).SerializeToString()
    assert attributes(redacted(Signal.TRACES, payload, RULES)) == {"k": after}


def test_a_rule_of_key_and_value_finds_the_attribute_and_the_elements_of_its_array() -> None:
    """The same rule as finds `password=hunter2` in a line; an object's fields have own keys."""
    request = span(password={"string_value": "x y"}, pin={"int_value": 7})
    array = request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="password")
    array.value.array_value.values.add().string_value = "in an array"
    inner = array.value.array_value.values.add().kvlist_value.values.add(key="other")
    inner.value.string_value = "in an object"
    payload = redacted(Signal.TRACES, request.SerializeToString(), compile_rules("password=(.+)"))
    assert b"in an array" not in payload
    assert b"x y" not in payload
    assert b"in an object" in payload
    assert attributes(payload)["pin"] == 7


def test_a_key_is_masked_when_the_match_lies_in_it_and_its_value_is_searched_with_it() -> None:
    """A program that counts by card number has secrets in keys."""
    payload = span(hunter2={"int_value": 1}).SerializeToString()
    assert attributes(redacted(Signal.TRACES, payload, RULES)) == {"[redacted]": 1}
    both = redacted(Signal.TRACES, payload, compile_rules("hunter2=1|hunter"))
    assert attributes(both) == {"[redacted]2": "[redacted]"}


def test_what_is_masked_everywhere_keeps_ids_times_and_counts() -> None:
    """An expression that cannot be used hides all text, and the rows are still rows."""
    request = span(k={"string_value": "v"})
    request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = 5
    payload = redacted(Signal.TRACES, request.SerializeToString(), MASK_ALL)
    accepted = read_request(Signal.TRACES, payload, json=False)
    assert (accepted.records, accepted.rejected) == (1, 0)
    found: Any = ExportTraceServiceRequest.FromString(payload)
    after = found.resource_spans[0].scope_spans[0].spans[0]
    assert (after.trace_id, after.start_time_unix_nano) == (bytes(range(16)), 5)
    assert (after.name, attributes(payload)) == ("[redacted]", {"k": "[redacted]"})


def test_fields_of_a_newer_protocol_are_left_out() -> None:
    """They cannot be searched for matches."""
    payload = span(k={"string_value": "v"}).SerializeToString()
    unknown = b"\xfa\x3f\x07hunter2"  # field 1023, text
    assert redacted(Signal.TRACES, payload + unknown, RULES) == payload


def test_without_a_match_the_payload_is_the_very_bytes_that_came() -> None:
    """SDKs order fields in any way, and unchanged requests are not written again."""
    made = span(k={"string_value": "v"})
    inside = made.resource_spans[0].scope_spans[0].SerializeToString()
    backwards = b"\x1a\x03url" + b"\x12" + bytes([len(inside)]) + inside  # schema_url first
    payload = b"\x0a" + bytes([len(backwards)]) + backwards
    assert ExportTraceServiceRequest.FromString(payload).SerializeToString() != payload
    assert redacted(Signal.TRACES, payload, RULES) is payload


@pytest.mark.parametrize("signal", Signal)
@examples(0.1)
@given(data=st.data())
def test_nothing_that_matches_remains_in_any_request(signal: Signal, data: st.DataObject) -> None:
    """Text may be in any place. The result can be stored, and masking it again changes nothing."""
    request = data.draw(requests(signal))
    untouched = request.SerializeToString()
    assert redacted(signal, untouched, RULES) is untouched
    for message, field, index in list(strings(request)):
        if not data.draw(st.booleans()):
            continue
        secret = data.draw(st.sampled_from(SECRETS))
        if index is None:
            setattr(message, field.name, secret)
        else:
            getattr(message, field.name)[index] = secret
    before = request.SerializeToString()
    after = redacted(signal, before, RULES)
    found = texts(request_class(signal).FromString(after))
    assert not any(SECRET.search(text) for text in found)
    assert (after is before) == (before == untouched)
    assert redacted(signal, after, RULES) is after
    was = read_request(signal, before, json=False)
    now = read_request(signal, after, json=False)
    assert (now.records, now.rejected) == (was.records, was.rejected)
