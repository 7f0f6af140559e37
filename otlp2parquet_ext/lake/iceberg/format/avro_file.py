"""Avro's object container file: open and extend it without decoding its blocks.

    new_file() | open_file(bytes) --> AvroFile --adding(records)--> AvroFile --encode()--> bytes

A manifest list grows by one record with each commit. Its existing blocks are copied without
decoding, so a long list costs a commit only the copy of its bytes.

Source: Apache Avro 1.11 specification, "Object Container Files".
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.avro import (
    AvroError,
    encoder,
    put_bytes,
    put_long,
    put_string,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.lake.iceberg.format.avro import Schema

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
SCHEMA, CODEC = "avro.schema", "avro.codec"


class AvroFile(msgspec.Struct, frozen=True):
    """An object container file, its blocks still encoded.

    Attributes:
        metadata: the header's entries, without schema and codec.
        schema: the schema of all records.
        codec: the compression of blocks.
        sync: the marker after each block.
        blocks: the rest of the file, from the first block to its end.
    """

    metadata: Mapping[str, str]
    schema: Schema
    codec: str
    sync: bytes
    blocks: bytes

    def adding(self, records: Sequence[object], metadata: Mapping[str, str]) -> AvroFile:
        """Return this file with one more block, and with other metadata.

        Raises:
            AvroError: its codec or its schema is not supported for writing.
        """
        encode, block = encoder(self.schema), bytearray()
        for record in records:
            encode(record, block)
        added = self.block(len(records), bytes(block))
        return msgspec.structs.replace(self, metadata=metadata, blocks=self.blocks + added)

    def block(self, count: int, encoded: bytes) -> bytes:
        """Return `count` encoded records as a block of this file.

        Raises:
            AvroError: its codec is not supported for writing.
        """
        return self.framed(count, _compress(encoded, self.codec))

    def framed(self, count: int, data: bytes) -> bytes:
        """Return a block of this file with `count` records, which are encoded and compressed."""
        head = bytearray()
        put_long(count, head)
        put_long(len(data), head)
        return b"".join((head, data, self.sync))

    def encode(self) -> bytes:
        """Return the file."""
        header = {key: value.encode() for key, value in self.metadata.items()}
        header |= {SCHEMA: msgspec.json.encode(self.schema), CODEC: self.codec.encode()}
        out = bytearray(MAGIC)
        put_long(len(header), out)
        for key, value in header.items():
            put_string(key, out)
            put_bytes(value, out)
        out.append(0)
        return b"".join((out, self.sync, self.blocks))


def new_file(schema: Schema, codec: str) -> AvroFile:
    """Return a file without blocks."""
    return AvroFile({}, schema, codec, os.urandom(SYNC_BYTES), b"")


def open_file(data: bytes) -> AvroFile:
    """Read a file's header.

    Raises:
        AvroError: these bytes are no object container file.
    """
    try:
        if not data.startswith(MAGIC):
            raise AvroError("no Avro object container file")
        header, position = _read_header(data, len(MAGIC))
        sync = data[position : position + SYNC_BYTES]
        schema = msgspec.json.decode(header.pop(SCHEMA))
        codec = header.pop(CODEC, b"null").decode()
        metadata = {key: value.decode() for key, value in header.items()}
        return AvroFile(metadata, schema, codec, sync, data[position + SYNC_BYTES :])
    except (IndexError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise AvroError(f"the header of an Avro file is damaged: {quote(repr(error))}") from error


def _read_header(data: bytes, position: int) -> tuple[dict[str, bytes], int]:
    """Read a map of bytes; return the map and its end."""
    entries: dict[str, bytes] = {}
    while True:
        count, position = read_long(data, position)
        if count == 0:
            return entries, position
        if count < 0:  # then the length of the map's block follows, which skipping readers need
            _, position = read_long(data, position)
        for _ in range(abs(count)):
            key, position = _read_bytes(data, position)
            entries[key.decode()], position = _read_bytes(data, position)


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """Read a zig-zag variable-length integer; return the integer and its end."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7


def _read_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = read_long(data, position)
    if length < 0 or position + length > len(data):
        raise AvroError("an Avro file ends in its header")
    return data[position : position + length], position + length


def _compress(block: bytes, codec: str) -> bytes:
    if codec == "null":
        return block
    if codec == "deflate":
        return zlib.compress(block, wbits=-zlib.MAX_WBITS)
    raise AvroError(f"blocks compressed with {codec!r} are not written here")
