"""Records of an Avro file: a manifest's or a manifest list's, from any writer.

    file --records(wanted)--> the wanted fields of each record, and its encoded bytes

Source: Apache Avro 1.11 specification, "Object Container Files".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.iceberg.format.avro import AvroError
from otlp2parquet_ext.lake.iceberg.format.avro_decode import decoder
from otlp2parquet_ext.lake.iceberg.format.avro_file import SYNC_BYTES, read_long

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from otlp2parquet_ext.lake.iceberg.format.avro_decode import Decode
    from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile


BLOCK_BYTES = 67_108_864
"""Longest decompressed block: a compressed block of a thousandth of it may be as long."""


class Block(NamedTuple):
    """One block of a file.

    Attributes:
        records: number of records.
        data: the records, as compressed in the file.
    """

    records: int
    data: bytes


class Record(NamedTuple):
    """One record: its wanted fields by field id, and its encoded bytes."""

    values: Mapping[int, Any]
    raw: bytes


def records(file: AvroFile, wanted: Container[int]) -> Iterator[Record]:
    """Yield all records of a file.

    Args:
        file: a file with records.
        wanted: ids of the fields to read, at any depth.

    Raises:
        AvroError: the file is damaged, or uses a feature that manifests do not have.
    """
    decode = decoder(file.schema, wanted)
    for block in blocks(file):
        data, position = decompressed(block, file.codec), 0
        if block.records > len(data):  # each record of a manifest has at least one byte
            raise AvroError("a block of an Avro file has fewer bytes than records")
        for _ in range(block.records):
            start = position
            values, position = guarded(decode, data, position)
            yield Record(values, data[start:position])
        if position != len(data):
            raise AvroError("a block of an Avro file is longer than its records")


def blocks(file: AvroFile) -> Iterator[Block]:
    """Yield a file's blocks without decompressing them.

    Raises:
        AvroError: the file is damaged.
    """
    data, position = file.blocks, 0
    while position < len(data):
        (count, size), position = guarded(_two_longs, data, position)
        end = position + size
        if count < 0 or size < 0 or data[end : end + SYNC_BYTES] != file.sync:
            raise AvroError("an Avro file ends in a block, or has none where it should")
        yield Block(count, data[position:end])
        position = end + SYNC_BYTES


def guarded(decode: Decode, data: bytes, position: int) -> tuple[Any, int]:
    """Read a value; all exceptions from damaged bytes become one error.

    Raises:
        AvroError: the bytes are damaged.
    """
    try:
        return decode(data, position)
    except (IndexError, ValueError) as error:
        raise AvroError(f"an Avro file is damaged: {quote(error)}") from error


def decompressed(block: Block, codec: str) -> bytes:
    """Return a block's records.

    Raises:
        AvroError: the block is damaged, exceeds `BLOCK_BYTES` when decompressed, or has an
            unsupported compression.
    """
    if codec == "null":
        return block.data
    if codec != "deflate":
        raise AvroError(f"blocks compressed with {codec!r} are not read here")
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflating.decompress(block.data, BLOCK_BYTES)
    except zlib.error as error:
        raise AvroError(f"a block of an Avro file is damaged: {quote(error)}") from error
    if not inflating.eof:
        more = inflating.unconsumed_tail or len(data) == BLOCK_BYTES
        what = f"inflates to more than {BLOCK_BYTES} bytes" if more else "is damaged: it is cut off"
        raise AvroError(f"a block of an Avro file {what}")
    return data


def _two_longs(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    first, position = read_long(data, position)
    second, position = read_long(data, position)
    return (first, second), position
