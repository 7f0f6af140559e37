"""Protobuf's wire format, for requests that the library refuses or parses only in part.

    bytes --mended()--> bytes that the library parses, without the bad records

The library refuses a request for one bad byte without naming its place, and ignores a known field
of the wrong wire type. This module checks each record separately, and every message names the
place. It repairs text that is not UTF-8. It is slower than the library by two orders of magnitude,
and rarely runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.checks import require_storable
from otlp2parquet_ext.records.otlp.messages import MAX_DEPTH, RECORDS
from otlp2parquet_ext.records.otlp.refusals import BadValueError, Refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
# Wire types by protobuf's type numbers; all other types are varints.
_WIRE_TYPES = {1: 1, 6: 1, 16: 1, 9: 2, 11: 2, 12: 2, 2: 5, 7: 5, 15: 5}


def varint(number: int) -> bytes:
    """Write a number from 0 to 2^64 - 1."""
    text = bytearray()
    while number > 0x7F:
        text.append(number & 0x7F | 0x80)
        number >>= 7
    text.append(number)
    return bytes(text)


def delimited(number: int, content: bytes) -> bytes:
    """Write a field with a length: text, bytes, or a message."""
    return varint(number << 3 | _LENGTH) + varint(len(content)) + content


def fields_of(data: memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield the fields of a message: number, wire type, and positions of tag, content and end.

    Raises:
        BadValueError: the rest cannot be read.
    """
    at, length = 0, len(data)
    while at < length:
        start = at
        tag = data[at]
        if tag > 0x7F:
            tag, at = _varint(data, at, "")
        else:
            at += 1
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _LENGTH and number and at < length and data[at] <= 0x7F:
            begin = at + 1
            at = begin + data[at]
            if at > length:
                raise BadValueError(f"field {number} is cut off at byte {begin} of {length}")
        else:
            at, begin = _skip(data, at, number, wire_type, f"field {number}")
        yield number, wire_type, start, begin, at


def mended(data: bytes, message: Any, refusals: Refusals) -> bytes:
    """Rewrite a message with known fields only, text as UTF-8, and without bad records.

    Args:
        data: any bytes.
        message: the request's descriptor.
        refusals: collects the removed records.

    Raises:
        BadValueError: a part outside the records cannot be read.

    Source: protobuf's encoding specification.
    """
    return _Mender(refusals).message(data, message, "", 0)


class _Mender:
    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def message(self, data: bytes, descriptor: Any, path: str, depth: int) -> bytes:
        if depth > MAX_DEPTH:
            raise BadValueError(f"{path} is nested deeper than {MAX_DEPTH} messages")
        parts = []
        counts: dict[int, int] = {}
        at = 0
        while at < len(data):
            start = at
            tag, at = _varint(data, at, path)
            number, wire_type = tag >> 3, tag & 7
            field = descriptor.fields_by_number.get(number)
            where = _where(path, field, number, counts)
            at, begin = _skip(data, at, number, wire_type, where)
            if field is None:
                continue
            _expect(field, wire_type, where)
            if wire_type != _LENGTH:
                parts.append(data[start:at])
                continue
            content = self._content(data[begin:at], field, where, depth)
            if content is not None:
                parts.append(delimited(number, content))
        return b"".join(parts)

    def _content(self, content: bytes, field: Any, where: str, depth: int) -> bytes | None:
        """Return the new content of a field with a length; None for a refused record."""
        if field.type == field.TYPE_STRING:
            return content.decode(errors="replace").encode()
        if field.message_type is None:
            return content
        if field.name not in RECORDS:
            return self.message(content, field.message_type, where, depth + 1)
        try:
            content = self.message(content, field.message_type, where, depth + 1)
        except BadValueError as error:
            self._refusals.add(str(error))
            return None
        try:
            _check(content, field.message_type)
        except BadValueError as error:
            self._refusals.add(where + str(error))
            return None
        return content


def _check(content: bytes, descriptor: Any) -> None:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 -- with the first request
    from google.protobuf.message_factory import GetMessageClass  # noqa: PLC0415

    try:
        record = GetMessageClass(descriptor).FromString(content)
    except DecodeError as error:  # lists of numbers with a wrong length
        raise BadValueError(f": {error}") from None
    require_storable(record)


def _where(path: str, field: Any, number: int, counts: dict[int, int]) -> str:
    name = f"field {number}" if field is None else field.name
    where = f"{path}.{name}" if path else name
    if field is None or not field.is_repeated:
        return where
    counts[number] = counts.get(number, -1) + 1
    return f"{where}[{counts[number]}]"


def _expect(field: Any, wire_type: int, where: str) -> None:
    wanted = _WIRE_TYPES.get(field.type, _VARINT)
    packed = field.is_repeated and wire_type == _LENGTH
    if wire_type != wanted and not packed:
        raise BadValueError(f"{where} has wire type {wire_type}: expected {wanted}")


def _varint(data: bytes | memoryview, at: int, path: str) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * index
        if byte <= 0x7F:
            return number, at + index + 1
    what = "is cut off" if len(data) - at < _LONGEST_VARINT else "has a number without end"
    raise BadValueError(f"{path or 'the request'} {what} at byte {at} of {len(data)}")


def _skip(
    data: bytes | memoryview, at: int, number: int, wire_type: int, where: str
) -> tuple[int, int]:
    """Return the end of a field's value, and the beginning of its content."""
    if number == 0 or wire_type not in {_VARINT, _FIXED64, _LENGTH, _FIXED32}:
        raise BadValueError(
            f"{where} has wire type {wire_type}: expected a field from 1 with 0, 1, 2 or 5"
        )
    if wire_type == _VARINT:
        return _varint(data, at, where)[1], at
    length = _FIXED.get(wire_type, 0)
    if wire_type == _LENGTH:
        length, at = _varint(data, at, where)
    if at + length > len(data):
        raise BadValueError(f"{where} is cut off: {length} bytes said, {len(data) - at} there")
    return at + length, at
