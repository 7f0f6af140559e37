"""How many chunks an HTTP body may come in; both servers use the limit. Pure."""

from __future__ import annotations

FREE_CHUNKS = 4_096
CHUNK_BYTES = 128
"""Chunks of a body beyond the free ones have this size on average: each costs as much to read as
kilobytes do, and other clients wait meanwhile."""


def too_many(chunks: int, size_bytes: int) -> bool:
    """Tell whether a body comes in more chunks than its bytes are worth."""
    return chunks > FREE_CHUNKS + size_bytes // CHUNK_BYTES
