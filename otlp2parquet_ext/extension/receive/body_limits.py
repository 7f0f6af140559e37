"""How much of other people's bodies is read into memory: of one request, and of all at a time.

add() piece by piece --> release(), whether it was taken or not
"""

from __future__ import annotations

from otlp2parquet_ext.extension.receive.chunk_limits import too_many

BODIES_IN_FLIGHT = 2
"""All bodies at a time may have so many times the bytes of the longest: an environment of 128 MB
is not ours alone."""

SMALL_BYTES = 16_384
"""Pieces of a body that are shorter are put together at once."""


class TooManyChunksError(Exception):
    """A body comes in more chunks than its bytes are worth."""


class TooLongError(Exception):
    """A body is longer than is read; `size_bytes` is how long, as far as it is known."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the body has {size_bytes} bytes or more")
        self.size_bytes = size_bytes


class TooMuchError(Exception):
    """All bodies at a time are too much; the request may come again later."""


class Body:
    """One body as it comes, without an object for each byte of a client that dribbles."""

    __slots__ = ("_chunks", "_pieces", "_small", "size_bytes")

    def __init__(self) -> None:
        self._chunks = 0
        self._pieces: list[bytes | bytearray] = []
        self._small = bytearray()
        self.size_bytes = 0

    def append(self, piece: bytes) -> None:
        """Put a piece behind the others."""
        self.size_bytes += len(piece)
        if len(piece) < SMALL_BYTES:
            self._small += piece
            return
        if self._small:
            self._pieces.append(self._small)
            self._small = bytearray()
        self._pieces.append(piece)

    def end_chunk(self) -> None:
        """Count a chunk, as the client framed it.

        Raises:
            TooManyChunksError: as said.
        """
        self._chunks += 1
        if too_many(self._chunks, self.size_bytes):
            raise TooManyChunksError

    def whole(self) -> bytes:
        """Return all of it."""
        return b"".join((*self._pieces, self._small))


class Bodies:
    """Bodies of the requests that are being answered.

    Args:
        limit_bytes: the longest that is read; all may have `BODIES_IN_FLIGHT` times as much.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def announce(self, length: int | None) -> None:
        """Refuse a body for its Content-Length, before anything of it is read.

        Raises:
            TooLongError: as said.
        """
        if length is not None and length > self.limit_bytes:
            raise TooLongError(length)

    def add(self, body: Body, piece: bytes) -> None:
        """Put a piece behind a body; who holds it gives it back with `release`.

        Raises:
            TooLongError, TooMuchError: the piece is held all the same.
        """
        body.append(piece)
        self.held_bytes += len(piece)
        if body.size_bytes > self.limit_bytes:
            raise TooLongError(self.limit_bytes + 1)
        if self.held_bytes > BODIES_IN_FLIGHT * self.limit_bytes:
            raise TooMuchError

    def release(self, size_bytes: int) -> None:
        """Make room: a body is needed no more."""
        self.held_bytes -= size_bytes
