"""Avro's binary encoding, the part that manifests need.

    schema --encoder()--> encode(value, out)

Records are mappings from Iceberg field id to value, not from name: other writers may name and order
the same fields differently, but the specification fixes the ids. A field that is missing in the
mapping is null.

Source: Apache Avro 1.11 specification; Apache Iceberg table specification, Appendix A.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Schema = Any
"""An Avro schema as parsed JSON: a name, a list (union), or an object."""

Encode = Callable[[Any, bytearray], None]
"""Appends the encoding of a value to a buffer."""


class AvroError(Exception):
    """A file or schema uses a feature of Avro that is not supported here, or is damaged."""


def encoder(schema: Schema) -> Encode:
    """Return the function that encodes values of `schema`.

    Raises:
        AvroError: the schema has a type that is not used in manifests.
    """
    if isinstance(schema, list):
        return _union(schema)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return _record(schema)
    if kind == "array":
        return _array(schema)
    if kind in PRIMITIVES:
        return PRIMITIVES[kind]
    raise AvroError(f"the Avro type {kind!r} is not used in manifests")


def put_long(value: int, out: bytearray) -> None:
    """Append a zig-zag variable-length integer; Avro's int and long have the same encoding."""
    rest = (value << 1) ^ (value >> 63)
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)


def put_bytes(value: bytes, out: bytearray) -> None:
    """Append the number of bytes, then the bytes."""
    put_long(len(value), out)
    out += value


def put_string(value: str, out: bytearray) -> None:
    """Append the number of bytes, then the text in UTF-8."""
    put_bytes(value.encode(), out)


def _put_boolean(value: object, out: bytearray) -> None:
    out.append(1 if value else 0)


def _put_null(value: None, out: bytearray) -> None:
    del value, out


PRIMITIVES: Mapping[str, Encode] = {
    "null": _put_null,
    "boolean": _put_boolean,
    "int": put_long,
    "long": put_long,
    "bytes": put_bytes,
    "string": put_string,
}


def _union(branches: list[Schema]) -> Encode:
    if len(branches) != 2 or "null" not in branches:
        raise AvroError(f"the Avro union {branches} is not one of null and another type")
    null = branches.index("null")
    put_value = encoder(branches[1 - null])

    def put(value: object, out: bytearray) -> None:
        put_long(null if value is None else 1 - null, out)
        if value is not None:
            put_value(value, out)

    return put


def _record(schema: Schema) -> Encode:
    fields = [(field.get("field-id"), encoder(field["type"])) for field in schema["fields"]]

    def put(value: Mapping[int, object], out: bytearray) -> None:
        for field_id, put_field in fields:
            put_field(value.get(field_id), out)

    return put


def _array(schema: Schema) -> Encode:
    """Encode a list, or a mapping with keys other than text, which Iceberg writes as pairs."""
    if schema.get("logicalType") != "map":
        return _items(encoder(schema["items"]))
    put_key, put_value = (encoder(field["type"]) for field in schema["items"]["fields"])

    def put_pair(pair: tuple[object, object], out: bytearray) -> None:
        put_key(pair[0], out)
        put_value(pair[1], out)

    put_pairs = _items(put_pair)

    def put(value: Mapping[object, object], out: bytearray) -> None:
        put_pairs(value.items(), out)

    return put


def _items(put_item: Encode) -> Encode:
    """Encode a collection as one block; an empty collection has no block."""

    def put(value: Collection[object], out: bytearray) -> None:
        if value:
            put_long(len(value), out)
            for item in value:
                put_item(item, out)
        out.append(0)

    return put
