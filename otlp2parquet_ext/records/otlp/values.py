"""Converts values of OTLP messages for the tables: JSON text, microseconds, hex, 32-bit integers.

Attributes are read once, as a dict to inspect and as text to store. If a column cannot hold a value
exactly, the value becomes an attribute whose name begins with `otel.`; see docs/otlp-fields.md.

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
# Raw JSON, not str, so that a number never becomes the name of a service.
_NAN, _INFINITY, _MINUS_INFINITY = map(msgspec.Raw, (b'"NaN"', b'"Infinity"', b'"-Infinity"'))


def read_attributes(pairs: Sequence[Any]) -> Fields:
    """Read attributes; the last of equal keys counts, the others are kept.

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
        fields: the record's attributes.
        own: values without a column; the same key in the record becomes `record.<key>`.
    """
    return merge(own or {}, fields) if own or fields.repeated else encode(fields.rest)


def body_text(record: Any) -> str | bytes | None:
    """Return a log record's body: a string as it is, any other value as JSON text."""
    value = _plain(record.body)
    if isinstance(value, str) or value is None:
        return value
    encoded = encode(value)
    return encoded[1:-1] if encoded.startswith(b'"') else encoded


def _object(pairs: Sequence[Any]) -> object:
    fields = read_attributes(pairs)
    return msgspec.Raw(text(fields)) if fields.repeated else fields.values


def number(value: float) -> float | msgspec.Raw:
    """Return a double for JSON: `NaN` and the infinities become strings."""
    if math.isfinite(value):
        return value
    return _NAN if math.isnan(value) else _INFINITY if value > 0 else _MINUS_INFINITY


# Readers of each kind of AnyValue except text. Dictionary strings exist only in profiles; elsewhere
# the specification treats them as absent.
_READ: Mapping[str | None, Callable[[Any], object]] = {
    "bool_value": attrgetter("bool_value"),
    "int_value": attrgetter("int_value"),
    "double_value": lambda value: number(value.double_value),
    "array_value": lambda value: [_plain(one) for one in value.array_value.values],
    "kvlist_value": lambda value: _object(value.kvlist_value.values),
    "bytes_value": attrgetter("bytes_value"),  # becomes base64 in JSON
    "string_value_strindex": lambda _: None,
    None: lambda _: None,
}


def _plain(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "string_value":  # most are
        return value.string_value
    return _READ[kind](value)


def micros(nanoseconds: int, otherwise: int) -> int:
    """Truncate nanoseconds to microseconds; `otherwise` if 0, which means unset."""
    return nanoseconds // 1000 if nanoseconds else otherwise


def identifier(raw: bytes, length: int) -> str | None:
    """Return an id as hex; None if it is unset, all zero, or of another length."""
    return raw.hex() if len(raw) == length and any(raw) else None


def odd_ids(ids: Iterable[tuple[str, bytes, int]]) -> Attributes:
    """Return the ids with a wrong length as attributes; ids are (name, value, length)."""
    return {f"otel.{name}": raw.hex() for name, raw, length in ids if raw and len(raw) != length}


def large_counts(record: Any, names: Iterable[str]) -> Attributes:
    """Return the counts of a record that exceed a column of 32 bits, as attributes."""
    counts = ((name, getattr(record, name)) for name in names)
    return {f"otel.{name}": count for name, count in counts if count > INT32_MAX}


def count32(count: int) -> int:
    """Return a count limited to 32 bits; see `large_counts`."""
    return min(count, INT32_MAX)


def bits32(flags: int) -> int:
    """Return 32 bits as a signed integer, because the tables have no unsigned ones."""
    return flags if flags <= INT32_MAX else flags - 2**32


def dropped(message: Any) -> Attributes | None:
    """Return the attribute for a message's dropped count without a column; None if it is 0."""
    count = message.dropped_attributes_count
    return {"otel.dropped_attributes_count": count} if count else None
