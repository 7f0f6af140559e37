"""The raw segment: a sealed segment in one object, compressed, with what its mapping needs.

    | "O2R1" | codec 1 | CRC-32 4 | header length 4 | raw bytes 8 | header | payload |


Numbers are little endian. The CRC-32 is that of header and payload. The header is JSON: the
settings that shape rows. All else (context, INVOKEs, when each body came) stands in the frames of
the segment.
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
"""Longest segment that is unpacked: the spool seals at 4 MiB, and a body may have 64 MiB more."""

LEVEL = 1
"""Level of either codec: the CPU is the function's."""


class Codec(enum.IntEnum):
    """How the payload is compressed."""

    DEFLATE = 1
    ZSTD = 2


class RawSegmentError(Exception):
    """The bytes are no raw segment, or not as they were written; the message says which."""


class RowSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings of an environment that shape its rows.

    Attributes:
        signals: see `OTLP2PARQUET_SIGNALS`.
        exclude: see `OTLP2PARQUET_EXCLUDE`.
    """

    signals: tuple[str, ...] = ("logs",)
    exclude: str = ""


_DECODE_SETTINGS = msgspec.json.Decoder(RowSettings).decode


class Unpacked(NamedTuple):
    """A raw segment read back."""

    settings: RowSettings
    segment: bytes


def pack(segment: bytes, settings: RowSettings) -> bytes:
    """Return a segment as one object.

    Args:
        segment: as it lies in the spool; its end may be torn.
        settings: of the environment.
    """
    header = msgspec.json.encode(settings)
    codec, payload = _compress(segment)
    check = zlib.crc32(payload, zlib.crc32(header))
    fixed = FIXED.pack(MAGIC, codec, check, len(header), len(segment))
    return b"".join((fixed, header, payload))


def unpack(data: bytes) -> Unpacked:
    """Read a raw segment.

    Raises:
        RawSegmentError: it is torn, changed, larger than any of ours, or of another format.
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
        # Part of Python from 3.14.
        from compression.zstd import compress  # type: ignore[import-not-found] # noqa: PLC0415
    except ImportError:
        return Codec.DEFLATE, zlib.compress(segment, LEVEL)
    return Codec.ZSTD, compress(segment, LEVEL)


def _decompress(codec: int, payload: bytes, raw_bytes: int) -> bytes:
    """Return no more than `raw_bytes` and one."""
    if codec == Codec.DEFLATE:
        return zlib.decompressobj().decompress(payload, raw_bytes + 1)
    if codec != Codec.ZSTD:
        raise ValueError(f"codec {codec} is unknown")
    # What maps a segment has pyarrow in memory; Python has zstd from 3.14 only.
    import pyarrow as pa  # noqa: PLC0415

    reader = pa.CompressedInputStream(pa.BufferReader(payload), "zstd")
    return bytes(reader.read(raw_bytes + 1))
