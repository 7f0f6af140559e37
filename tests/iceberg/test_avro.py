"""Avro: PyIceberg's reader reads the files that we write."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import AvroFile as ReferenceFile
from pyiceberg.avro.resolver import construct_reader
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

from otlp2parquet_ext.lake.iceberg.format.avro import AvroError, encoder
from otlp2parquet_ext.lake.iceberg.format.avro_file import AvroFile, new_file, open_file
from otlp2parquet_ext.lake.iceberg.format.manifest_schemas import MANIFEST_FILE

if TYPE_CHECKING:
    from pathlib import Path

LONGS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**63 - 1)
"""In arrays; manifests hold no negative numbers there, and the reference reads them wrongly."""

INTS = st.integers(-(2**31), 2**31 - 1)
MAP_PAIR = [
    {"name": "key", "type": "int", "field-id": 8},
    {"name": "value", "type": "bytes", "field-id": 9},
]
FIELDS: list[dict[str, Any]] = [
    {"name": "a", "type": "long", "field-id": 1},
    {"name": "b", "type": "string", "field-id": 2},
    {"name": "c", "type": ["null", "bytes"], "default": None, "field-id": 3},
    {"name": "d", "type": "boolean", "field-id": 4},
    {"name": "f", "type": {"type": "array", "items": "long", "element-id": 7}, "field-id": 6},
    {
        "name": "g",
        "type": {
            "type": "array",
            "logicalType": "map",
            "items": {"type": "record", "name": "k8_v9", "fields": MAP_PAIR},
        },
        "field-id": 10,
    },
    {"name": "h", "type": {"type": "int", "logicalType": "date"}, "field-id": 11},
]
EVERYTHING = {"type": "record", "name": "everything", "fields": FIELDS}
RECORDS = st.fixed_dictionaries(
    {
        1: LONGS,
        2: st.text(),
        3: st.none() | st.binary(),
        4: st.booleans(),
        6: st.lists(COUNTS),
        10: st.dictionaries(st.integers(0, 2**31 - 1), st.binary()),
        11: INTS,
    }
)


@given(RECORDS)
def test_any_record_is_read_back_by_the_reference(record: dict[int, Any]) -> None:
    """One record has every type of manifests, at every magnitude."""
    out = bytearray()
    encoder(EVERYTHING)(record, out)
    schema = AvroSchemaConversion().avro_to_iceberg(EVERYTHING)
    decoder = new_decoder(bytes(out))
    read = construct_reader(schema).read(decoder)
    ids = [field["field-id"] for field in FIELDS]
    assert [read[number] for number in range(len(ids))] == [record[i] for i in ids]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_blocks_added_one_by_one_are_read_in_order(tmp_path: Path, codec: str) -> None:
    """The old blocks are copied unchanged; metadata of the header is replaced."""
    file = new_file(EVERYTHING, codec)
    for number in range(5):
        record = {1: number, 2: "x", 4: True, 6: [], 10: {}, 11: 0}
        file = open_file(file.adding([record, record], {"n": str(number)}).encode())
    assert file.metadata == {"n": "4"}
    (tmp_path / "file.avro").write_bytes(file.encode())
    source = PyArrowFileIO().new_input(str(tmp_path / "file.avro"))
    with ReferenceFile[Any](source, AvroSchemaConversion().avro_to_iceberg(EVERYTHING)) as read:
        assert [record[0] for record in read] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_avro_file_are_refused(data: bytes) -> None:
    """A damaged manifest list raises a named error, never an exception of its parser."""
    with pytest.raises(AvroError):
        open_file(data)


@given(st.integers(0, 400))
def test_a_file_cut_off_in_its_header_is_refused(length: int) -> None:
    """It begins as an Avro file, but the error is the same."""
    data = new_file(MANIFEST_FILE, "null").encode()
    with pytest.raises(AvroError):
        open_file(data[: min(length, len(data) - 17)])


def test_a_codec_we_do_not_write_is_refused() -> None:
    """Spark can write zstd, and our new block would have to use it."""
    file = open_file(new_file("long", "zstandard").encode())
    with pytest.raises(AvroError, match="'zstandard'"):
        file.adding([1], {})


@pytest.mark.parametrize("schema", [["int", "string"], {"type": "enum"}, {"type": "fixed"}, "uuid"])
def test_a_type_manifests_do_not_use_is_refused(schema: object) -> None:
    """Such a type is not guessed."""
    with pytest.raises(AvroError):
        encoder(schema)


def test_a_header_in_blocks_with_lengths_is_read() -> None:
    """Avro allows maps in several blocks, with their lengths in bytes before them."""
    entries = b"".join(
        bytes([len(key) * 2]) + key + bytes([len(value) * 2]) + value
        for key, value in ((b"avro.schema", msgspec.json.encode("long")), (b"k", b"v"))
    )
    header = bytes([3, len(entries) * 2]) + entries + b"\0"
    file = open_file(b"Obj\x01" + header + b"s" * 16 + b"rest")
    assert file == AvroFile({"k": "v"}, "long", "null", b"s" * 16, b"rest")
    assert io.BytesIO(file.encode()).read(4) == b"Obj\x01"
