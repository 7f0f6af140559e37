"""Limits on request bodies in memory: of one request, and of all requests at a time.

add() piece by piece --> release(), whether the body was accepted or refused
"""

from __future__ import annotations

BODIES_IN_FLIGHT = 2
"""Most bytes of all bodies at a time, as a multiple of the longest allowed body. An environment of
128 MB also has to hold the function."""

SMALL_BYTES = 16_384
"""Bytes below which a piece of a body is joined to the previous piece at once."""


class TooLongError(Exception):
    """A body is longer than the limit; `size_bytes` is its length, as far as it is known."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the body has {size_bytes} bytes or more")
        self.size_bytes = size_bytes


class TooMuchError(Exception):
    """All bodies together exceed their limit; the client may retry the request later."""


class Body:
    """One body as it arrives; short pieces are joined, so a slow client makes few objects."""

    __slots__ = ("_pieces", "_small", "size_bytes")

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._small = bytearray()
        self.size_bytes = 0

    def append(self, piece: bytes) -> None:
        """Append a piece."""
        self.size_bytes += len(piece)
        if len(piece) < SMALL_BYTES:
            self._small += piece
            return
        if self._small:
            self._pieces.append(self._small)
            self._small = bytearray()
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """Return all of it."""
        return b"".join((*self._pieces, self._small))


class Bodies:
    """Bodies of the requests that are being answered.

    Args:
        limit_bytes: length of the longest body that is read; all bodies together may have
            `BODIES_IN_FLIGHT` times as much.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def announce(self, length: int | None) -> None:
        """Refuse a body by its Content-Length, before any of it is read.

        Raises:
            TooLongError: the Content-Length exceeds the limit.
        """
        if length is not None and length > self.limit_bytes:
            raise TooLongError(length)

    def add(self, body: Body, piece: bytes) -> None:
        """Append a piece to a body; the caller returns its bytes with `release`.

        Raises:
            TooLongError, TooMuchError: the piece is appended nevertheless.
        """
        body.append(piece)
        self.held_bytes += len(piece)
        if body.size_bytes > self.limit_bytes:
            raise TooLongError(self.limit_bytes + 1)
        if self.held_bytes > BODIES_IN_FLIGHT * self.limit_bytes:
            raise TooMuchError

    def release(self, size_bytes: int) -> None:
        """Return the bytes of a body that is not needed any more."""
        self.held_bytes -= size_bytes
