"""Reading Avro: files of other writers are understood, and damaged ones raise an error."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_avro import EVERYTHING, RECORDS

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError, encoder, put_bytes, put_long
from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile, new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.avro_reader import (
    BLOCK_BYTES,
    Block,
    blocks,
    decompressed,
    records,
)

EVERY_ID = range(1, 1_000)


def written(record: dict[int, Any]) -> dict[int, Any]:
    """Return a record as the reader gives it: a mapping by column id is a list of pairs."""
    return record | {10: [{8: key, 9: value} for key, value in record[10].items()]}


@pytest.mark.parametrize("codec", ["null", "deflate"])
@given(st.lists(RECORDS, max_size=4))
def test_what_we_write_we_read(codec: str, rows: list[dict[int, Any]]) -> None:
    """Records have every type of manifests, at every magnitude, in blocks of any size."""
    file = new_file(EVERYTHING, codec).adding(rows, {}).adding(rows[:1], {})
    read = [record.values for record in records(open_file(file.encode()), EVERY_ID)]
    assert read == [written(row) for row in [*rows, *rows[:1]]]


@given(RECORDS, st.sets(st.sampled_from([1, 2, 3, 4, 6, 10, 11])))
def test_fields_that_are_not_wanted_are_stepped_over(row: dict[int, Any], wanted: set[int]) -> None:
    """The wanted fields after them are found."""
    file = new_file(EVERYTHING, "null").adding([row, row], {})
    for record in records(file, wanted | {8, 9} if 10 in wanted else wanted):
        assert record.values == {key: written(row)[key] for key in wanted}


@given(RECORDS)
def test_a_records_bytes_are_its_own(row: dict[int, Any]) -> None:
    """Copied into another file they are the same record, so nothing has to be decoded."""
    out = bytearray()
    encoder(EVERYTHING)(row, out)
    file = new_file(EVERYTHING, "deflate").adding([row, row, row], {})
    assert [record.raw for record in records(file, ())] == [bytes(out)] * 3


def test_arrays_in_sized_blocks_are_read_and_stepped_over() -> None:
    """Avro allows the length of an array's block; Java and Python sometimes write it."""
    inner = bytearray()
    for number in (5, 6):
        put_long(number, inner)
    array = bytearray()
    put_long(-2, array)
    put_bytes(bytes(inner), array)
    array.append(0)
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "a", "type": {"type": "array", "items": "long"}, "field-id": 1},
            {"name": "b", "type": "long", "field-id": 2},
        ],
    }
    empty = new_file(schema, "null")
    file = msgspec.structs.replace(empty, blocks=empty.block(1, bytes(array) + b"\x0e"))
    assert [r.values for r in records(file, {1, 2})] == [{1: [5, 6], 2: 7}]
    assert [r.values for r in records(file, {2})] == [{2: 7}]


OTHERS = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "u", "type": {"type": "fixed", "size": 4, "name": "u"}, "field-id": 1},
        {"name": "f", "type": ["null", "float"], "field-id": 2},
        {"name": "d", "type": ["double", "null"], "field-id": 3},
        {"name": "n", "type": "string"},
    ],
}


def test_types_of_others_partitions_are_read() -> None:
    """Others may partition a table by any type, and fields may lack ids."""
    data = b"abcd" + b"\x02\x00\x00\x80\x3f" + b"\x00\x00\x00\x00\x00\x00\x00\xf0\x3f" + b"\x02x"
    empty = new_file(OTHERS, "null")
    file = msgspec.structs.replace(empty, blocks=empty.block(1, data))
    assert [r.values for r in records(file, {1, 2, 3})] == [{1: b"abcd", 2: 1.0, 3: 1.0}]


def damaged(data: bytes) -> AvroFile:
    """Make a file whose one block holds these bytes as one record of every type."""
    empty = new_file(EVERYTHING, "null")
    return msgspec.structs.replace(empty, blocks=empty.block(1, data))


@given(st.binary(max_size=60))
def test_damaged_records_are_an_error_and_never_a_hang(data: bytes) -> None:
    """Any program may have written the bytes.

    A length beyond the end, a huge count, a cut number.
    """
    for wanted in (EVERY_ID, ()):
        try:
            for record in records(damaged(data), wanted):
                assert record.raw == data
        except AvroError:
            pass


@given(st.binary(max_size=40))
def test_damaged_blocks_are_an_error(data: bytes) -> None:
    """A block may be cut off, or be no block at all."""
    file = msgspec.structs.replace(new_file(EVERYTHING, "null"), blocks=b"\x02" + data)
    with pytest.raises(AvroError):
        list(blocks(file))


def test_a_codec_we_do_not_know_is_an_error_with_its_name() -> None:
    """Zstandard and Snappy are codecs of Avro, but the standard library lacks them."""
    file = msgspec.structs.replace(damaged(b"x"), codec="zstandard")
    with pytest.raises(AvroError, match="'zstandard' are not read here"):
        list(records(file, ()))


def test_what_is_no_deflate_is_an_error() -> None:
    """The header of such a file names a codec that its blocks do not use."""
    file = msgspec.structs.replace(damaged(b"\xff\xff"), codec="deflate")
    with pytest.raises(AvroError, match="damaged"):
        list(records(file, ()))


def test_a_block_that_inflates_without_end_is_an_error_before_it_does() -> None:
    """A megabyte of a manifest could take a gigabyte of memory."""
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflating.compress(bytes(1 << 20)) for _ in range(256)) + deflating.flush()
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    with pytest.raises(AvroError, match="inflates to more than 67108864 bytes"):
        decompressed(Block(1, bomb), "deflate")
    assert tracemalloc.get_traced_memory()[1] < 2 * BLOCK_BYTES + (1 << 20)
    tracemalloc.stop()


def test_a_block_that_is_cut_off_is_an_error() -> None:
    """Half of a stream decompresses to something, which must not count as the whole."""
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = deflating.compress(bytes(range(256)) * 64) + deflating.flush()
    with pytest.raises(AvroError, match="cut off"):
        decompressed(Block(1, data[:-4]), "deflate")


def test_more_records_than_bytes_are_an_error() -> None:
    """Records without bytes would be read for ever, because any program may write their number."""
    schema = {"type": "record", "name": "nothing", "fields": []}
    file = msgspec.structs.replace(new_file(schema, "null"), blocks=b"")
    out = bytearray()
    put_long(2**62, out)
    put_bytes(b"", out)
    file = msgspec.structs.replace(file, blocks=bytes(out) + file.sync)
    with pytest.raises(AvroError, match="fewer bytes than records"):
        list(records(file, ()))
