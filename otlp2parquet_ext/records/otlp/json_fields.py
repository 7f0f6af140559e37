"""The fields of a message by their JSON names, each with the converter of its JSON values."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

from otlp2parquet_ext.records.otlp.refusals import BadValueError, shown

Convert = Callable[[object], object]

_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        name: the original name.
        repeated: its JSON value is an array.
        convert: returns the value of a scalar for a JSON value. It raises BadValueError, whose
            message follows the path. None for messages.
        oneof: name of a group of fields of which only one may be set; "" for none.
    """

    name: str
    repeated: bool
    convert: Convert | None
    oneof: str


@cache
def fields(message: Any) -> dict[str, Field]:
    """Return the fields of a message, by their JSON names and by the original ones.

    Args:
        message: descriptor of the message; each exists once in a process.
    """
    found = {}
    for one in message.fields:
        group = one.containing_oneof
        # Each optional scalar has its own group, whose name begins with an underscore.
        oneof = group.name if group and not group.name.startswith("_") else ""
        field = Field(one.name, one.is_repeated, _convert(one), oneof)
        found[one.name] = found[one.json_name] = field
    return found


def _convert(field: Any) -> Convert | None:
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        return None
    if field.type == field.TYPE_BYTES:
        return _id if field.name in _IDS else _bytes
    if field.cpp_type == field.CPPTYPE_ENUM:
        names = {value.name: value.number for value in field.enum_type.values}
        return partial(_enum, names)
    if field.cpp_type in _INTEGERS:
        return partial(_integer, *_INTEGERS[field.cpp_type])
    return {
        field.CPPTYPE_STRING: _text,
        field.CPPTYPE_BOOL: _bool,
        field.CPPTYPE_DOUBLE: _double,
    }[field.cpp_type]


# Numbers of protobuf's C++ types: int32, int64, uint32, uint64.
_INTEGERS = {
    1: (-(2**31), 2**31 - 1),
    2: (-(2**63), 2**63 - 1),
    3: (0, 2**32 - 1),
    4: (0, 2**64 - 1),
}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadValueError(f" is {shown(value)}: expected a string")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadValueError(f" is {shown(value)}: expected true or false")
    return value


def _integer(least: int, most: int, value: object) -> int:
    number = least - 1
    if type(value) is int:
        number = value
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else number
    elif isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
    if not least <= number <= most:
        raise BadValueError(f" is {shown(value)}: expected an integer from {least} to {most}")
    return number


def _enum(names: dict[str, int], value: object) -> int:
    if isinstance(value, str) and value in names:
        return names[value]
    try:
        return _integer(*_INTEGERS[1], value)
    except BadValueError:
        raise BadValueError(
            f" is {shown(value)}: expected a number or a name such as {next(iter(names))}"
        ) from None


def _double(value: object) -> float:
    if type(value) is float or type(value) is int:
        number = _as_float(value)
    elif isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    elif isinstance(value, str) and _FLOAT.fullmatch(value):
        number = float(value)
    else:
        number = math.inf
    if not math.isfinite(number):
        raise BadValueError(
            f" is {shown(value)}: expected a number a double can hold, "
            "'NaN', 'Infinity' or '-Infinity'"
        )
    return number


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _id(value: object) -> bytes:
    try:
        return bytes.fromhex(_text(value))
    except ValueError:
        raise BadValueError(
            f" is {shown(value)}: expected hex digits (OTLP/JSON has no ids in base64)"
        ) from None


def _bytes(value: object) -> bytes:
    text = _text(value).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadValueError(f" is {shown(value)}: expected base64") from None
