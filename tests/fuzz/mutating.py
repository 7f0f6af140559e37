"""Change bodies as a fuzzer does, but keep them valid, which random bytes rarely are.

JSON --mutated(seed)--> one value in it replaced, dropped, doubled, or put somewhere else
protobuf --mutated_protobuf(seed)--> the same, or of another type, with right lengths around it
"""

from __future__ import annotations

import json
import random
from typing import Any

ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 2**63 - 1, 2**63, -(2**70), 1e308, 5e-324, float("nan"), float("inf")),
    *("", "x", "\ud800", "\0", "NaN", "INFO", "Task timed out after 3.00 seconds", "1e999"),
    *("2026-03-14T09:26:53.102Z", "9999-12-31T23:59:59.999999999Z", "0000-00-00T00:00:00Z"),
    *("Root=1-69b52bcd-0f1e2d3c4b5a69788796a5b4;Parent=00f067aa0ba902b7;Sampled=1", "0" * 32),
    *([], {}, [[]], [{}], {"": ""}, {"message": {"message": 1}}, [1, "a", None]),
)
"""Values that a record may have in unexpected places."""

ODD_BYTES = (
    *(b"", b"\0", b"\x01", b"\x80", b"\xff" * 9 + b"\x01", b"\xff" * 10, b"\xff\xfe", b"NaN"),
    *(
        bytes(8),
        bytes(16),
        b"\xff" * 8,
        b"\xff" * 16,
        b"\x0a\x00" * 50,
        b"\x0a\x02\x0a\x00",
        b"\x98\x06\x05",
    ),
)
"""Contents a field may have in spite of its type."""

_LENGTH = 2
_DEEPER = 0.85

Slot = tuple[Any, Any]
"""A list or an object of a body, and an index or a key of it."""


def slots(value: Any) -> list[Slot]:
    """Return all places of a JSON value, from the outside to the inside."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[Slot] = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += slots(value[key])
    return found


def mutated(body: bytes, seed: int) -> bytes | None:
    """Change one thing in a body; None when it is no array with something in it.

    Args:
        body: as delivered.
        seed: the same gives the same.
    """
    chance = random.Random(seed)
    try:
        events = json.loads(body)
        found = slots(events) if isinstance(events, list) else []
    except (ValueError, RecursionError):
        return None
    if not found:
        return None
    (where, key), (elsewhere, other) = chance.choice(found), chance.choice(found)
    match chance.randrange(4):
        case 0:
            where[key] = chance.choice(ODD)
        case 1:
            del where[key]
        case 2:
            where[key] = json.loads(json.dumps(elsewhere[other]))
        case _ if isinstance(where, dict):
            where[str(other)] = where.pop(key)
        case _:
            where.append(where[key])
    return json.dumps(events, separators=chance.choice([None, (",", ":")])).encode()


def mutated_protobuf(data: bytes, seed: int) -> bytes | None:
    """Change one field of a message, deep in it too, with the lengths around it right again.

    Args:
        data: in protobuf's wire format.
        seed: the same gives the same.

    Returns:
        None when it is no message, or an empty one.
    """
    return _mutated_field(data, random.Random(seed))


def _mutated_field(data: bytes, chance: random.Random) -> bytes | None:
    found = _fields(data)
    if not found:
        return None
    start, begin, end = chance.choice(found)
    tag, content = data[start], data[begin:end]
    if tag & 7 == _LENGTH and chance.random() < _DEEPER:
        inside = _mutated_field(content, chance)
        if inside is not None:
            return data[:start] + _written(tag, inside) + data[end:]
    instead = chance.choice(
        (
            b"",
            data[start:end] * 2,
            _written(tag, content[: len(content) // 2]),
            _written(tag ^ 1 << chance.randrange(8), content),
            _written(tag, chance.choice(ODD_BYTES)),
            data[start:begin] + chance.choice(ODD_BYTES),
        )
    )
    return data[:start] + instead + data[end:]


def _fields(data: bytes) -> list[tuple[int, int, int]]:
    """Return the begin of each field, of its content, and its end; [] if it is no message.

    Field numbers below 16 are enough, because OTLP has few others.
    """
    found, at = [], 0
    while at < len(data):
        start, wire_type = at, data[at] & 7
        at, length = _number(data, at + 1) if wire_type in (0, _LENGTH) else (at + 1, 0)
        begin = at if wire_type == _LENGTH else start + 1
        at += {1: 8, _LENGTH: length, 5: 4}.get(wire_type, 0)
        if at > len(data) or wire_type in (3, 4, 6, 7):
            return []
        found.append((start, begin, at))
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data):
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return at, number
    return len(data) + 1, 0


def _written(tag: int, content: bytes) -> bytes:
    length = len(content)
    if tag & 7 != _LENGTH:
        return bytes([tag]) + content
    text = bytearray([tag])
    while length > 0x7F:
        text.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*text, length]) + content
