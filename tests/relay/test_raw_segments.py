"""A raw segment is read as it was written, or refused with the reason: never as something else."""

from __future__ import annotations

import struct
import zlib

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from otlp2parquet_ext.spool import raw_segments
from otlp2parquet_ext.spool.raw_segments import (
    FIXED,
    MAGIC,
    MOST_RAW_BYTES,
    Codec,
    RawSegmentError,
    RowSettings,
    pack,
    unpack,
)

SETTINGS = RowSettings(("logs", "traces"), "platform.start", 300_000)


@examples(1)
@given(
    st.binary(max_size=4_000),
    st.lists(st.sampled_from(["logs", "traces", "metrics"])),
    st.text(max_size=40),
    st.integers(0, 86_400_000),
)
def test_a_segment_is_read_back_as_it_was(
    data: bytes, signals: list[str], exclude: str, near_ms: int
) -> None:
    """It has the settings of its environment, because a committer has others."""
    settings = RowSettings(tuple(signals), exclude, near_ms)
    assert unpack(pack(data, settings)) == (settings, data)


def test_what_the_layers_python_compresses_is_read_here() -> None:
    """Python has zstd from 3.14 only; a committer may run on an older one."""
    data, header = b"line\n" * 1_000, msgspec.json.encode(SETTINGS)
    payload = pa.Codec("zstd").compress(data, asbytes=True)
    check = zlib.crc32(payload, zlib.crc32(header))
    fixed = FIXED.pack(MAGIC, Codec.ZSTD, check, len(header), len(data))
    assert unpack(fixed + header + payload).segment == data


def test_every_torn_or_changed_segment_is_refused() -> None:
    """The environment still has the whole segment, so half of it must not be mapped."""
    whole = pack(b"x" * 50, SETTINGS)
    for length in range(len(whole)):
        with pytest.raises(RawSegmentError):
            unpack(whole[:length])
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x41
        with pytest.raises(RawSegmentError):
            unpack(bytes(changed))


@pytest.mark.parametrize("raw_bytes", [MOST_RAW_BYTES + 1, 1 << 63])
def test_a_segment_larger_than_any_of_ours_is_not_unpacked(raw_bytes: int) -> None:
    """A few bytes can claim to be gigabytes."""
    with pytest.raises(RawSegmentError, match=f"at most {MOST_RAW_BYTES} are read"):
        unpack(forged(b"", raw_bytes))


def test_a_segment_that_inflates_to_more_than_it_says_is_refused_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is decompressed up to its stated length, and one byte more."""
    data = zlib.compress(bytes(50_000_000))
    inflated: list[int] = []
    decompress = raw_segments._decompress

    def counting(codec: int, payload: bytes, raw_bytes: int) -> bytes:
        found = decompress(codec, payload, raw_bytes)
        inflated.append(len(found))
        return found

    monkeypatch.setattr(raw_segments, "_decompress", counting)
    with pytest.raises(RawSegmentError, match="has 1001 bytes; it says 1000"):
        unpack(forged(data, 1_000))
    assert inflated == [1_001]


def test_an_unknown_codec_is_named() -> None:
    """A newer version may have one; its segments have another ending, so this is a forgery."""
    with pytest.raises(RawSegmentError, match="codec 9 is unknown"):
        unpack(forged(b"", 0, codec=9))


def forged(payload: bytes, raw_bytes: int, codec: int = Codec.DEFLATE) -> bytes:
    """Return a segment whose CRC is right and whose length is not."""
    header = msgspec.json.encode(SETTINGS)
    check = zlib.crc32(payload, zlib.crc32(header))
    return struct.pack("<4sBIIQ", MAGIC, codec, check, len(header), raw_bytes) + header + payload
