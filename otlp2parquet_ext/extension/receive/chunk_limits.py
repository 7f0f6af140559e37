"""The limit on the chunks of an HTTP body; both servers use it. Pure."""

from __future__ import annotations

FREE_CHUNKS = 4_096
CHUNK_BYTES = 128
"""Least average bytes of the chunks beyond `FREE_CHUNKS`. To read one chunk takes as much CPU as to
read kilobytes, and other clients wait meanwhile."""


def too_many(chunks: int, size_bytes: int) -> bool:
    """Tell whether a body has too many chunks for its length."""
    return chunks > FREE_CHUNKS + size_bytes // CHUNK_BYTES
