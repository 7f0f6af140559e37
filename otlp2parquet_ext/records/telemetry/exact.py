r"""Makes JSON text strict without changing its meaning.

    text (nearly JSON) --exact()--> bytes (strict, compact JSON)
    bytes (strict JSON) --exact_integers()--> the same, integers beyond 64 bits as strings

It is for the few texts that msgspec refuses or would change, and slower than msgspec by an order of
magnitude. Numbers keep their spelling; duplicate keys stay, in their order. Values that strict JSON
or 64 bits cannot hold become strings: `NaN`, `±Infinity`, integers beyond int64, numbers beyond a
double. A lone surrogate becomes U+FFFD, a raw control character an escape.
"""

from __future__ import annotations

import json
import math
import re

import msgspec

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
_INT64_DIGITS = 19
_SURROGATE = re.compile("[\ud800-\udfff]")
# A search for nineteen consecutive digits is fast and rarely finds any; only then the number is
# parsed.
_DIGITS_ONLY = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_DIGITS = b"0" * _INT64_DIGITS
_BEYOND_INT64 = re.compile(rb"(?:^|[:\[,\s])-?(?:[0-9]{20}|9[2-9][0-9]{17})")
_encode = msgspec.json.Encoder().encode


def exact(text: str) -> bytes:
    """Rewrite one JSON value as strict JSON without whitespace.

    Args:
        text: JSON as Python's parser accepts it, with `NaN`, control characters and lone surrogate
            escapes.

    Raises:
        ValueError: even Python's parser refuses the text.
        RecursionError: it is nested too deeply to read.

    Source: RFC 8259, section 6 (numbers); OTLP specification, "JSON Protobuf Encoding".
    """
    return _dump(_LENIENT.decode(text))


def has_long_digits(text: bytes) -> bool:
    """Tell quickly whether a text may hold an integer beyond 64 bits."""
    return _LONG_DIGITS in text.translate(_DIGITS_ONLY)


def exact_integers(text: bytes) -> bytes:
    """Turn integers beyond 64 bits into strings, because readers would turn them into floats.

    Args:
        text: strict JSON; returned unchanged if it has no such integer.
    """
    if not has_long_digits(text) or _BEYOND_INT64.search(text) is None:
        return text
    return exact(text.decode())


def _dump(value: object) -> bytes:
    if isinstance(value, str):
        return _encode(_SURROGATE.sub("\ufffd", value))
    if isinstance(value, list):
        return b"[%b]" % b",".join(map(_dump, value))
    return _encode(value)


def _object(pairs: list[tuple[str, object]]) -> msgspec.Raw:
    # Text, not a dict, because a dict would keep only the last of two equal keys.
    return msgspec.Raw(b"{%b}" % b",".join(b"%b:%b" % (_dump(k), _dump(v)) for k, v in pairs))


def _integer(digits: str) -> msgspec.Raw | str:
    # Check the length first, because Python refuses to convert thousands of digits.
    if len(digits) > _INT64_DIGITS + 1 or not INT64_MIN <= int(digits) <= INT64_MAX:
        return digits
    return msgspec.Raw(digits.encode())


def _number(digits: str) -> msgspec.Raw | str:
    return msgspec.Raw(digits.encode()) if math.isfinite(float(digits)) else digits


_LENIENT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=str,
    strict=False,
)
