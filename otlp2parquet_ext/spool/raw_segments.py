"""The raw segment: a sealed segment as one compressed object, with the settings of its rows.

    | "O2R1" | codec 1 | CRC-32 4 | header length 4 | raw bytes 8 | header | payload |


Numbers are little endian. The CRC-32 covers header and payload. The header is JSON with the
settings that affect rows. The frames of the segment hold all other facts: context, INVOKEs, and the
time of each body's receipt.
"""

from __future__ import annotations

import enum
import struct
import zlib
from typing import NamedTuple

import msgspec

from otlp2parquet_ext.common.log import quote

MAGIC = b"O2R1"
FIXED = struct.Struct("<4sBIIQ")

MOST_RAW_BYTES = 96 * 1_048_576
"""Most bytes of a segment that is unpacked. The spool seals at 4 MiB, and a body may add 64 MiB."""

LEVEL = 1
"""Compression level of both codecs, low because the CPU belongs to the function."""


class Codec(enum.IntEnum):
    """Compression of the payload."""

    DEFLATE = 1
    ZSTD = 2


class RawSegmentError(Exception):
    """The bytes are no raw segment, or were changed; the message says which."""


class RowSettings(msgspec.Struct, frozen=True):
    """The settings of an environment that affect its rows.

    Attributes:
        signals: see `OTLP2PARQUET_SIGNALS`.
        exclude: see `OTLP2PARQUET_EXCLUDE`.
        record_time_ms: see `OTLP2PARQUET_RECORD_TIME_MS`.
    """

    signals: tuple[str, ...]
    exclude: str
    record_time_ms: int


_DECODE_SETTINGS = msgspec.json.Decoder(RowSettings).decode


class Unpacked(NamedTuple):
    """An unpacked raw segment."""

    settings: RowSettings
    segment: bytes


def pack(segment: bytes, settings: RowSettings) -> bytes:
    """Return a segment as one object.

    Args:
        segment: its bytes in the spool; the end may be torn.
        settings: settings of the environment.
    """
    header = msgspec.json.encode(settings)
    codec, payload = _compress(segment)
    check = zlib.crc32(payload, zlib.crc32(header))
    fixed = FIXED.pack(MAGIC, codec, check, len(header), len(segment))
    return b"".join((fixed, header, payload))


def unpack(data: bytes) -> Unpacked:
    """Read a raw segment.

    Raises:
        RawSegmentError: it is torn, changed, too large, or of another format.
    """
    if len(data) < FIXED.size or not data.startswith(MAGIC):
        raise RawSegmentError(f"{len(data)} bytes are no raw segment: they begin {data[:4]!r}")
    _, codec, check, header_bytes, raw_bytes = FIXED.unpack_from(data)
    header = data[FIXED.size : FIXED.size + header_bytes]
    payload = data[FIXED.size + header_bytes :]
    if zlib.crc32(payload, zlib.crc32(header)) != check:
        raise RawSegmentError("the raw segment is torn or changed: its CRC-32 is another")
    if raw_bytes > MOST_RAW_BYTES:
        raise RawSegmentError(
            f"the raw segment says it has {raw_bytes} bytes; at most {MOST_RAW_BYTES} are read"
        )
    try:
        settings = _DECODE_SETTINGS(header)
        segment = _decompress(codec, payload, raw_bytes)
    except (msgspec.MsgspecError, ValueError, OSError, zlib.error) as error:
        raise RawSegmentError(f"the raw segment cannot be read: {quote(error)}") from error
    if len(segment) != raw_bytes:
        raise RawSegmentError(f"the raw segment has {len(segment)} bytes; it says {raw_bytes}")
    return Unpacked(settings, segment)


def _compress(segment: bytes) -> tuple[Codec, bytes]:
    try:
        # Part of Python since 3.14.
        from compression.zstd import compress  # type: ignore[import-not-found] # noqa: PLC0415
    except ImportError:
        return Codec.DEFLATE, zlib.compress(segment, LEVEL)
    return Codec.ZSTD, compress(segment, LEVEL)


def _decompress(codec: int, payload: bytes, raw_bytes: int) -> bytes:
    """Return at most `raw_bytes` + 1 bytes."""
    if codec == Codec.DEFLATE:
        return zlib.decompressobj().decompress(payload, raw_bytes + 1)
    if codec != Codec.ZSTD:
        raise ValueError(f"codec {codec} is unknown")
    # Code that maps a segment has imported pyarrow; Python has zstd only since 3.14.
    import pyarrow as pa  # noqa: PLC0415

    reader = pa.CompressedInputStream(pa.BufferReader(payload), "zstd")
    return bytes(reader.read(raw_bytes + 1))
