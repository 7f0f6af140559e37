"""Replaces the package `zstandard`, with the parts that PyIceberg uses, by `compression.zstd`.

PyIceberg uses it for the blobs of Puffin files (`decompress`) and for blocks of Avro (`compress`,
`stream_reader`).
"""

import io
from typing import BinaryIO

from compression import zstd  # type: ignore[import-not-found,unused-ignore] # since Python 3.14

ZstdError = zstd.ZstdError


class ZstdDecompressor:
    """Decompresses complete frames."""

    def decompress(self, data: bytes, max_output_size: int = 0) -> bytes:
        """Return the content of one frame; the frame has its size, so no limit is needed."""
        del max_output_size
        return bytes(zstd.decompress(data))

    def stream_reader(self, source: BinaryIO) -> BinaryIO:
        """Return a file of the decompressed content, which is small for a block of Avro."""
        return io.BytesIO(zstd.decompress(source.read()))


class ZstdCompressor:
    """Compresses into one frame."""

    def __init__(self, level: int = 3) -> None:
        self.level = level

    def compress(self, data: bytes) -> bytes:
        """Return one frame."""
        return bytes(zstd.compress(data, self.level))
