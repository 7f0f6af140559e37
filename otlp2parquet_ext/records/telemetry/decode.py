"""Decodes bodies of deliveries to events. It never raises and loses no byte, for any input.

    body --msgspec, at once--> [Event, …]                      the normal case
         --part by part, leniently--> [Event | Malformed, …]   when msgspec refuses the body

An `Event` is one element of the array, with its `record` still as text. A `Malformed` is a part of
the body that is no event, kept unchanged. A bad part does not affect the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, final

import msgspec

from otlp2parquet_ext.records.telemetry.exact import exact, exact_integers, has_long_digits

if TYPE_CHECKING:
    from collections.abc import Sequence


class Event(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One element of a delivery.

    Attributes:
        type: `function`, `extension`, `platform.…`; an open set.
        time: as sent, normally `2026-03-14T09:26:53.589Z`; "" if absent.
        record: strict JSON text of any JSON value, with its white space; `null` if absent.

    Source: AWS Lambda developer guide, "Telemetry API Event schema reference".
    """

    type: str
    time: str = ""
    record: msgspec.Raw = msgspec.Raw(b"null")


class OddEvent(Event, frozen=True, gc=False):
    """An event with an undocumented envelope.

    Attributes:
        extra: the envelope's other fields, and `time` if it is no string.
    """

    extra: dict[str, msgspec.Raw] = {}


@final
class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A part of a body that is no event; `text` is that part, invalid UTF-8 replaced."""

    text: str


_decode_events = msgspec.json.Decoder(list[Event]).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode

# Strings come first, so that brackets and commas inside them are ignored. An unclosed string runs
# to the end, so every character is read once, even in hostile text.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
MOST_PARTS = 20_000
"""Most parts of a body, twice the platform's limit. The rest becomes one part, because a body must
not take seconds."""

_NEXT_EVENT = re.compile(r',\s*(?=\{\s*"(?:time|type|record)"\s*:)')


def decode(body: bytes) -> Sequence[Event | Malformed]:
    """Read the body of one delivery.

    Args:
        body: any bytes; normally a JSON array of events.

    Returns:
        Events and malformed parts in the order of the body. White space alone gives [].

    Source: AWS Lambda developer guide, "Telemetry API Event schema reference";
    RFC 8259, section 9 (what a parser may accept).
    """
    events = decode_as_sent(body)
    return [_with_exact_integers(event) for event in events] if has_long_digits(body) else events


def decode_as_sent(body: bytes) -> Sequence[Event | Malformed]:
    """Read the body of one delivery; see `decode`.

    It does not search for integers beyond 64 bits, because that takes time. Each reader of a record
    calls `exact_integers` instead.
    """
    if not body.isascii():
        body = _valid_utf8(body)
    try:
        return _decode_events(body)
    except (msgspec.MsgspecError, RecursionError):
        return _parts(body.decode().strip("\ufeff \t\r\n"))


def _valid_utf8(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _with_exact_integers(event: Event | Malformed) -> Event | Malformed:
    if not isinstance(event, Event) or isinstance(event, OddEvent):
        return event  # already made exact
    record = bytes(event.record)
    made = exact_integers(record)
    return event if made is record else Event(event.type, event.time, msgspec.Raw(made))


def _parts(text: str) -> list[Event | Malformed]:
    if text.startswith("["):
        parts = [_part(element) for element in split_array(text)]
        return parts if parts or not text.strip("[] \t\r\n") else [Malformed(text)]
    return [Malformed(text)] if text else []


def split_array(text: str) -> list[str]:
    """Split the text of an array into its elements, which may be no JSON.

    Args:
        text: begins with `[`; its end may be missing. Empty elements are left out.
    """
    elements: list[str] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(text, 1):
        mark = token.group()
        if mark in {"{", "["}:
            depth += 1
        elif depth == 0 and mark in {",", "]"}:
            elements.append(text[start : token.start()])
            start = token.end()
            if mark == "]" or len(elements) >= MOST_PARTS:
                elements.append(text[start:])
                break
        elif mark in {"}", "]"}:
            depth = max(0, depth - 1)
    else:
        elements += _split_unclosed(text[start:])
    return [element for element in map(str.strip, elements) if element]


def _split_unclosed(text: str) -> list[str]:
    """Split a truncated text, or one with unmatched brackets, at likely beginnings of events."""
    elements = _NEXT_EVENT.split(text)
    last = elements[-1].rstrip()
    # Remove the array's own end, if the last event is complete without it.
    if last.endswith("]") and isinstance(_part(last[:-1]), Event):
        elements[-1] = last[:-1]
    return elements


def _part(text: str) -> Event | Malformed:
    try:
        return _with_exact_integers(_decode_event(text))
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        return _lenient_event(exact(text))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return Malformed(text)


def _lenient_event(part: bytes) -> Event:
    """Read an event from strict JSON, with any further fields in its envelope.

    Raises:
        msgspec.ValidationError: it is no object, or has no `type`.
    """
    fields = _decode_fields(part)
    type_ = _decode_text(fields.pop("type", msgspec.Raw(b"null")))
    record = fields.pop("record", msgspec.Raw(b"null"))
    time = ""
    if bytes(fields.get("time", b"")).startswith(b'"'):
        time = _decode_text(fields.pop("time"))
    if fields:
        return OddEvent(type_, time, record, fields)
    return Event(type_, time, record)
