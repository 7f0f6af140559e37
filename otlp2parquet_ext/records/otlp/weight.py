"""Estimates the memory of one record or resource from its bytes.

Only a message longer than a piece of a request (pieces.py) is checked; the length of a shorter one
bounds its values.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.refusals import BadValueError, TooLargeError
from otlp2parquet_ext.records.otlp.wire import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_VALUES = 50_000
"""Most values of one record or resource. Each takes 40 bytes when parsed, and 200 while its row is
made."""

MOST_ESCAPES_BYTES = 4_194_304
"""Most bytes that escapes add to one record or resource as JSON; a control character takes six
bytes."""

_LENGTH = 2
_CONTROLS = bytes(range(32))
_FIXED_BYTES = 8
_FIXED_TYPES = {1, 6, 16}  # double, fixed64, sfixed64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def require_light(data: bytes | memoryview, descriptor: Any, name: str) -> None:
    """Check a message in protobuf.

    Raises:
        TooLargeError: it has too many values, or too many characters that JSON escapes.
    """
    values = values_of(memoryview(data), descriptor, MOST_VALUES)
    text = bytes(data)
    short = len(text.translate(None, _CONTROLS))
    escaped = sum(text.count(one) for one in (b'"', b"\\"))
    _require(name, values, 5 * (len(text) - short) + escaped)


def require_light_json(data: bytes, name: str) -> None:
    """Check a message in JSON.

    Raises:
        TooLargeError: see `require_light`.
    """
    _require(name, values_in(data), 0)


def values_of(data: memoryview, descriptor: Any, limit: int) -> int:
    """Count the values of a message in protobuf; stop beyond `limit`."""
    values = 0
    with contextlib.suppress(BadValueError):  # the parser refuses it
        for found in _values(data, descriptor):
            values += found
            if values > limit:
                break
    return values


def values_in(data: bytes, limit: int = MOST_VALUES) -> int:
    """Return an upper bound on the values of JSON text; stop beyond `limit`."""
    values = _marks(data)
    if values <= limit:
        return values
    values = at = 0
    for text in _STRING.finditer(data):  # marks inside strings do not count
        values += _marks(data[at : text.start()])
        at = text.end()
        if values > limit:
            break
    return values + _marks(data[at:])


def _marks(data: bytes) -> int:
    return sum(data.count(mark) for mark in (b"{", b"[", b","))


def _require(name: str, values: int, escapes_bytes: int) -> None:
    if values > MOST_VALUES:
        raise TooLargeError(f"one {name} has more than {MOST_VALUES} values: send smaller ones")
    if escapes_bytes > MOST_ESCAPES_BYTES:
        problem = f"is more than {MOST_ESCAPES_BYTES} bytes longer as JSON: send smaller ones"
        raise TooLargeError(f"one {name} {problem}")


def _values(data: memoryview, descriptor: Any) -> Iterator[int]:
    waiting = [(data, descriptor)]
    while waiting:
        message, kind = waiting.pop()
        for number, wire_type, _, begin, end in fields_of(message):
            yield 1
            field = kind.fields_by_number.get(number)
            if field is None or wire_type != _LENGTH:
                continue
            if field.message_type is not None:
                waiting.append((message[begin:end], field.message_type))
            elif field.is_repeated and field.type != field.TYPE_STRING:
                yield (end - begin) // (_FIXED_BYTES if field.type in _FIXED_TYPES else 1)
