"""Decode Avro's binary encoding: the inverse of `avro.py`.

    schema --decoder(wanted)--> decode(data, position) -> (value, position)

Records are mappings from Iceberg field id to value. Unwanted fields are skipped: bounds are the
largest part of a manifest, and merging and sweeping do not need them. Any writer may have made the
bytes. Damaged bytes raise an error (also `IndexError` and `ValueError`), and never loop endlessly.

Source: Apache Avro 1.11 specification; Apache Iceberg table specification, Appendix A.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError, Schema
from otlp2parquet_ext.lake.iceberg.format.avro_file import read_long

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

Decode = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a position; returns the value and its end."""

Skip = Callable[[bytes, int], int]
"""Returns the end of the value at a position."""


def decoder(schema: Schema, wanted: Container[int]) -> Decode:
    """Return the function that reads values of `schema`.

    Raises:
        AvroError: the schema has a type that is not used in manifests.
    """
    if isinstance(schema, list):
        return _union([decoder(branch, wanted) for branch in schema])
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return _record(schema, wanted)
    if kind == "array":
        return _array(schema, wanted)
    if kind == "fixed":
        return _fixed(int(schema["size"]))
    if kind in PRIMITIVES:
        return PRIMITIVES[kind]
    raise AvroError(f"the Avro type {kind!r} is not used in manifests")


def _skipper(schema: Schema) -> Skip:
    """Return the function that skips values of `schema`."""
    if isinstance(schema, list):
        return _skip_union([_skipper(branch) for branch in schema])
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return _skip_record([_skipper(field["type"]) for field in schema["fields"]])
    if kind == "array":
        return _skip_array(_skipper(schema["items"]))
    if kind in ("int", "long"):
        return _skip_long
    decode = decoder(schema, ())
    return lambda data, position: decode(data, position)[1]


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_long(data, position)
    end = position + length
    if not position <= end <= len(data):
        raise AvroError("a value of an Avro file is longer than its block")
    return data[position:end], end


def _read_string(data: bytes, position: int) -> tuple[str, int]:
    value, position = _read_bytes(data, position)
    return value.decode(), position


def _fixed(size: int, unpack: Callable[[bytes], Any] = bytes) -> Decode:
    def read(data: bytes, position: int) -> tuple[Any, int]:
        end = position + size
        if end > len(data):
            raise AvroError("a value of an Avro file is longer than its block")
        return unpack(data[position:end]), end

    return read


PRIMITIVES: Mapping[str, Decode] = {
    "null": lambda _, position: (None, position),
    "boolean": lambda data, position: (data[position] == 1, position + 1),
    "int": read_long,
    "long": read_long,
    "float": _fixed(4, lambda value: struct.unpack("<f", value)[0]),
    "double": _fixed(8, lambda value: struct.unpack("<d", value)[0]),
    "bytes": _read_bytes,
    "string": _read_string,
}


def _union(branches: list[Decode]) -> Decode:
    def read(data: bytes, position: int) -> tuple[Any, int]:
        number, position = read_long(data, position)
        if number < 0:
            raise AvroError("a union of an Avro file has no such branch")
        return branches[number](data, position)

    return read


def _skip_union(branches: list[Skip]) -> Skip:
    def skip(data: bytes, position: int) -> int:
        number, position = read_long(data, position)
        if number < 0:
            raise AvroError("a union of an Avro file has no such branch")
        return branches[number](data, position)

    return skip


def _record(schema: Schema, wanted: Container[int]) -> Decode:
    fields: list[tuple[int | None, Any]] = []
    for field in schema["fields"]:
        field_id, kind = field.get("field-id"), field["type"]
        keep = field_id in wanted or _has_wanted(kind, wanted)
        fields.append((field_id, decoder(kind, wanted)) if keep else (None, _skipper(kind)))

    def read(data: bytes, position: int) -> tuple[dict[int, Any], int]:
        values: dict[int, Any] = {}
        for field_id, step in fields:
            if field_id is None:
                position = step(data, position)
            else:
                values[field_id], position = step(data, position)
        return values, position

    return read


def _has_wanted(schema: Schema, wanted: Container[int]) -> bool:
    """Return whether the schema or a record inside it has a wanted field."""
    if isinstance(schema, list):
        return any(_has_wanted(branch, wanted) for branch in schema)
    if not isinstance(schema, dict):
        return False
    inside = [field["type"] for field in schema.get("fields", ())]
    inside += [schema[key] for key in ("items", "type") if isinstance(schema.get(key), dict)]
    named = any(field.get("field-id") in wanted for field in schema.get("fields", ()))
    return named or any(_has_wanted(kind, wanted) for kind in inside)


def _skip_record(fields: list[Skip]) -> Skip:
    def skip(data: bytes, position: int) -> int:
        for step in fields:
            position = step(data, position)
        return position

    return skip


def _array(schema: Schema, wanted: Container[int]) -> Decode:
    """Read a list; a mapping by column id is read as a list of pairs."""
    read_item = decoder(schema["items"], wanted)

    def read(data: bytes, position: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        while True:
            count, _, position = _items(data, position)
            if count == 0:
                return values, position
            for _ in range(count):
                value, position = read_item(data, position)
                values.append(value)

    return read


def _skip_array(skip_item: Skip) -> Skip:
    def skip(data: bytes, position: int) -> int:
        while True:
            count, end, position = _items(data, position)
            if count == 0:
                return position
            if end is not None:
                position = end
                continue
            for _ in range(count):
                position = skip_item(data, position)

    return skip


def _items(data: bytes, position: int) -> tuple[int, int | None, int]:
    """Read the head of an array's block: number of items, end of the block (if given), start."""
    count, position = read_long(data, position)
    end = None
    if count < 0:
        size, position = read_long(data, position)
        count, end = -count, position + size
        if not position <= end <= len(data):
            raise AvroError("an array of an Avro file is longer than its block")
    if count > len(data) - position:  # each item has at least one byte
        raise AvroError("an array of an Avro file is longer than its block")
    return count, end, position


def _skip_long(data: bytes, position: int) -> int:
    while data[position] > 0x7F:
        position += 1
    return position + 1
