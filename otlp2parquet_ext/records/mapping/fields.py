"""The fields of a JSON object: parsed as Python values, and passed on as their original text.

    record --read_fields()--> Fields.values   parsed
                              Fields.rest     to write: same keys, original text
    line   --read_line()----> Fields, or None if the line is not one JSON object

Most records give the same bytes when they are parsed and written again; for these, both are one
dict. If a number or an escape is spelled differently, `rest` holds the original text of each value.
"""

from __future__ import annotations

from contextlib import suppress
from json import JSONDecoder
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from otlp2parquet_ext.records.telemetry.decode import split_array
from otlp2parquet_ext.records.telemetry.exact import INT64_MAX, INT64_MIN, exact, exact_integers

if TYPE_CHECKING:
    from collections.abc import Callable

Values = dict[str, object]

encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
encode_into: Callable[[object, bytearray], None] = msgspec.json.Encoder().encode_into
_decode_values = msgspec.json.Decoder(dict[str, object]).decode
_read_key = JSONDecoder().raw_decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_DEPTH = 6
_INTEGER = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)]


def _values_of_depth(depth: int) -> Any:
    scalar: Any = bool | _INTEGER | float | str | None
    if not depth:
        return scalar
    inner = _values_of_depth(depth - 1)
    return scalar | GenericAlias(list, (inner,)) | GenericAlias(dict, (str, inner))


decode_exactly: Callable[[bytes], dict[str, Any]]
decode_exactly = msgspec.json.Decoder(GenericAlias(dict, (str, _values_of_depth(_DEPTH)))).decode
"""Parses an object; refuses integers beyond 64 bits, numbers beyond a double, and deep nesting."""


class Fields(msgspec.Struct, gc=False, frozen=True):
    """The fields of one JSON object.

    Attributes:
        text: the object's text, compact.
        values: each field as a Python value; for equal keys, the last one.
        rest: the same keys with the values to write; may be the same dict.
        repeated: earlier fields with equal keys, normally none.
    """

    text: bytes
    values: Values
    rest: Values
    repeated: tuple[tuple[str, msgspec.Raw], ...] = ()


def read_fields(text: bytes) -> Fields:
    """Read a JSON object.

    Raises:
        msgspec.DecodeError: it is no JSON object.
        RecursionError: it is nested too deeply.
    """
    try:
        values = _decode_values(text)
    except msgspec.ValidationError:  # a number beyond a double
        text = exact(text.decode())
        values = _decode_values(text)
    again = encode(values)
    if again == text:
        return Fields(text, values, values)
    text = msgspec.json.format(text, indent=-1)
    if again == text:
        return Fields(text, values, values)
    raw = _decode_raw(text)
    # `{"key":value,…}` has the length of its parts. If it has not, a key is repeated or has
    # escapes.
    length = 1 + 4 * len(raw) + sum(map(len, raw)) + sum(map(len, raw.values()))
    repeated = () if length == len(text) else _repeated(text)
    return Fields(text, values, {**raw}, repeated)


def read_proven(text: bytes, proof: bytearray) -> Values | None:
    """Parse a JSON object that gives the same bytes when it is written again.

    Args:
        text: the object, as sent.
        proof: buffer to write it; its old content is overwritten.

    Returns:
        Its fields; None if it is not such an object or has an integer beyond 64 bits.
    """
    try:
        values = decode_exactly(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    encode_into(values, proof)
    return values if proof == text else None


def read_line(line: str) -> Fields | None:
    """Read a line of text that is a JSON object, as loggers write it in text log format.

    Returns:
        None if the line is anything else; it is then stored as text.

    Source: decision 0016.
    """
    line = line.rstrip()
    if not (line.startswith("{") and line.endswith("}")):
        return None
    with suppress(ValueError, RecursionError):
        return read_fields(exact_integers(line.encode()))
    with suppress(ValueError, RecursionError):  # for example a logger that writes NaN
        return read_fields(exact(line))
    return None


def read_values(text: bytes) -> Values:
    """Parse the values of a JSON object, only to inspect them; {} if it is none."""
    with suppress(ValueError, RecursionError):
        return decode_exactly(text)
    with suppress(ValueError, RecursionError):
        text = exact_integers(text)
        try:
            return _decode_values(text)
        except msgspec.ValidationError:  # a number beyond a double
            return read_fields(text).values
    return {}


def _repeated(text: bytes) -> tuple[tuple[str, msgspec.Raw], ...]:
    pairs: list[tuple[str, msgspec.Raw]] = []
    for part in split_array(f"[{text[1:-1].decode()}]"):
        key, end = _read_key(part)
        pairs.append((key, msgspec.Raw(part[end + 1 :].encode())))
    last = {key: index for index, (key, _) in enumerate(pairs)}
    return tuple(pair for index, pair in enumerate(pairs) if last[pair[0]] != index)
