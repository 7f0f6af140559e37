"""The response of a server, and the errors for which there is none.

A `Response` is an answer, whatever its status; a `WebError` means there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    BytesLike = bytes | bytearray | memoryview | pa.Buffer


class WebError(Exception):
    """There is no answer; the message names the server and the cause.

    Args:
        message: see above.
        sent: False when the server surely did not act: nothing of the request reached it.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ResponseTooLongError(WebError):
    """The server answered with success, and with more than the limit; it is not read."""


class Response(NamedTuple):
    """An answer.

    `headers` has lower-case names; a header that came twice has both values, joined by ", ".
    `cut` is empty where the body is whole, else it says what of it was not read, and why.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str = ""
