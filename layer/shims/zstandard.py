"""Stands in for the package `zstandard`: what PyIceberg asks of it, over `compression.zstd`.

Used for the blobs of Puffin files (`decompress`) and for blocks of Avro (`compress`,
`stream_reader`).
"""

import io
from typing import BinaryIO

from compression import zstd  # type: ignore[import-not-found,unused-ignore] # since Python 3.14

ZstdError = zstd.ZstdError


class ZstdDecompressor:
    """Decompresses whole frames."""

    def decompress(self, data: bytes, max_output_size: int = 0) -> bytes:
        """Return the content of one frame; the size is in the frame, so the limit is not needed."""
        del max_output_size
        return bytes(zstd.decompress(data))

    def stream_reader(self, source: BinaryIO) -> BinaryIO:
        """Return a file of the decompressed content; a block of Avro is small."""
        return io.BytesIO(zstd.decompress(source.read()))


class ZstdCompressor:
    """Compresses into one frame."""

    def __init__(self, level: int = 3) -> None:
        self.level = level

    def compress(self, data: bytes) -> bytes:
        """Return one frame."""
        return bytes(zstd.compress(data, self.level))
