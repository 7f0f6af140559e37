"""Values of OTLP messages as the tables hold them: JSON text, microseconds, hex, 32-bit integers.

Attributes are read once: as a dict, to look at, and as text, to store. Where a column cannot hold
a value exactly, the value is an attribute whose name begins with `otel.`; see docs/otlp-fields.md.

Source: opentelemetry-proto, common.proto; docs/otlp-fields.md, "Attributes and values".
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from otlp2parquet_ext.records.mapping.attributes import Attributes, merge
from otlp2parquet_ext.records.mapping.fields import Fields, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
INT32_MAX = 2**31 - 1
# Not str: a service cannot be called NaN by a number.
_NAN, _INFINITY, _MINUS_INFINITY = map(msgspec.Raw, (b'"NaN"', b'"Infinity"', b'"-Infinity"'))


def read_attributes(pairs: Sequence[Any]) -> Fields:
    """Read attributes; of equal keys the last counts, the others are kept.

    Args:
        pairs: KeyValue messages.
    """
    values: dict[str, object] = {pair.key: _plain(pair.value) for pair in pairs}
    if len(values) == len(pairs):
        return Fields(b"", values, values)
    last = {pair.key: index for index, pair in enumerate(pairs)}
    earlier = tuple(
        (pair.key, msgspec.Raw(encode(_plain(pair.value))))
        for index, pair in enumerate(pairs)
        if last[pair.key] != index
    )
    return Fields(b"", values, values, earlier)


def text(fields: Fields, own: Attributes | None = None) -> bytes:
    """Write attributes as a JSON object.

    Args:
        fields: the record's.
        own: what no column holds; a key of the record that is there, too, becomes `record.<key>`.
    """
    return merge(own or {}, fields) if own or fields.repeated else encode(fields.rest)


def body_text(record: Any) -> str | bytes | None:
    """Give a log record's body: JSON text, but text that is a string without its quotes."""
    value = _plain(record.body)
    if isinstance(value, str) or value is None:
        return value
    encoded = encode(value)
    return encoded[1:-1] if encoded.startswith(b'"') else encoded


def _object(pairs: Sequence[Any]) -> object:
    fields = read_attributes(pairs)
    return msgspec.Raw(text(fields)) if fields.repeated else fields.values


def number(value: float) -> float | msgspec.Raw:
    """Give a double as JSON can hold it: `NaN` and the infinities are strings."""
    if math.isfinite(value):
        return value
    return _NAN if math.isnan(value) else _INFINITY if value > 0 else _MINUS_INFINITY


# How each kind of AnyValue but text is read. Strings of a dictionary exist only in profiles;
# elsewhere they are to be treated as absent.
_READ: Mapping[str | None, Callable[[Any], object]] = {
    "bool_value": attrgetter("bool_value"),
    "int_value": attrgetter("int_value"),
    "double_value": lambda value: number(value.double_value),
    "array_value": lambda value: [_plain(one) for one in value.array_value.values],
    "kvlist_value": lambda value: _object(value.kvlist_value.values),
    "bytes_value": attrgetter("bytes_value"),  # base64, once it is JSON
    "string_value_strindex": lambda _: None,
    None: lambda _: None,
}


def _plain(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "string_value":  # most are
        return value.string_value
    return _READ[kind](value)


def micros(nanoseconds: int, otherwise: int) -> int:
    """Truncate nanoseconds to microseconds; 0 is no time."""
    return nanoseconds // 1000 if nanoseconds else otherwise


def identifier(raw: bytes, length: int) -> str | None:
    """Give an id as hex; None for one that is unset, all zero, or of another length."""
    return raw.hex() if len(raw) == length and any(raw) else None


def odd_ids(ids: Iterable[tuple[str, bytes, int]]) -> Attributes:
    """Give the ids whose length is wrong, as attributes; ids are (name, value, length)."""
    return {f"otel.{name}": raw.hex() for name, raw, length in ids if raw and len(raw) != length}


def large_counts(record: Any, names: Iterable[str]) -> Attributes:
    """Give the counts of a record that a column of 32 bits does not hold, as attributes."""
    counts = ((name, getattr(record, name)) for name in names)
    return {f"otel.{name}": count for name, count in counts if count > INT32_MAX}


def count32(count: int) -> int:
    """Give a count as its column holds it; see `large_counts`."""
    return min(count, INT32_MAX)


def bits32(flags: int) -> int:
    """Give 32 bits as a signed integer: the tables have no unsigned ones."""
    return flags if flags <= INT32_MAX else flags - 2**32


def dropped(message: Any) -> Attributes | None:
    """Give the attribute for a message whose dropped count has no column; None when it is 0."""
    count = message.dropped_attributes_count
    return {"otel.dropped_attributes_count": count} if count else None
