"""The response of a server, and the errors of requests without one.

A `Response` may have any status; a `WebError` means that there is no response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    BytesLike = bytes | bytearray | memoryview | pa.Buffer


class WebError(Exception):
    """There is no response; the message names the server and the cause.

    Args:
        message: see above.
        sent: False if no byte of the request reached the server, so the server did not act.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ResponseTooLongError(WebError):
    """The status was a success, but the body exceeds its limit and was not read."""


class Response(NamedTuple):
    """A server's response.

    `headers` has lower-case names; the values of a repeated header are joined by ", ".
    `cut` is "" for a whole body, else it states the missing part and the reason.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str = ""
