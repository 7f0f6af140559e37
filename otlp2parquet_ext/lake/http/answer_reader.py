"""Bound the responses that other libraries' HTTP clients read: requests and botocore.

    server --> urllib3 --> AnswerReader, which counts --> requests | botocore --> their callers

Both libraries read a response to its end before their caller sees its status, or hand its stream
to the caller. They make their sessions internally. So the bound is set in each library, where it
builds a response from urllib3's.

Source: botocore's `httpsession`, `awsrequest` and `response`; urllib3's documentation, "Response".
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otlp2parquet_ext.lake.http.limits import (
    ACKNOWLEDGED,
    DECODED_TIMES,
    DOCUMENT,
    LISTING,
    OBJECT,
    decoded_bytes,
)
from otlp2parquet_ext.lake.http.response import ResponseTooLongError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse

    from otlp2parquet_ext.lake.http.limits import AnswerLimit

PIECE_BYTES = 65_536


class AnswerReader:
    """Reads a response of urllib3 up to a limit.

    Args:
        raw: the response of urllib3.
        limit: limit of a successful response; an error's body is cut, for its status is enough.
        body_bytes: longest body of any response.
        where: name of the server.
    """

    def __init__(
        self, raw: BaseHTTPResponse, limit: AnswerLimit, body_bytes: int, where: str
    ) -> None:
        self._raw = raw
        self._where = where
        self._body_bytes = body_bytes
        self._limit = limit if 200 <= raw.status < 300 else ACKNOWLEDGED

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of urllib3's response."""
        return getattr(self._raw, name)

    def stream(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,  # noqa: FBT001 - urllib3's
    ) -> Iterator[bytes]:
        """Yield the body, decompressed if `decode_content` is set.

        Raises:
            ResponseTooLongError: the body is needed, and longer than its limit.
        """
        most_bytes = min(self._limit.size_bytes, self._body_bytes)
        read_bytes = values_bytes = 0
        for piece in self._raw.stream(amt or PIECE_BYTES, decode_content):
            left_bytes = most_bytes - read_bytes
            read_bytes += len(piece)
            if read_bytes > most_bytes:
                self._raw.close()  # do not read the rest
                if self._limit.needed:
                    raise self._too_long(f"its body is longer than the limit of {most_bytes} bytes")
                yield piece[:left_bytes]
                return
            values_bytes += decoded_bytes(piece)
            if self._limit.decoded and values_bytes > DECODED_TIMES * self._body_bytes:
                self._raw.close()
                most = DECODED_TIMES * self._body_bytes
                raise self._too_long(f"decoded, its body would exceed the limit of {most} bytes")
            yield piece

    def read(self, amt: int | None = None, *more: Any, **options: Any) -> bytes:
        """Read the whole body, or up to `amt` bytes; callers of botocore read streams with it.

        Raises:
            ResponseTooLongError: the caller reads the whole body, and it exceeds its limit.
        """
        most_bytes = min(OBJECT.size_bytes, self._body_bytes)
        if amt is not None and 0 <= amt <= most_bytes:
            return bytes(self._raw.read(amt, *more, **options))
        announced = self._raw.headers.get("content-length", "")
        whole = b""
        if not (announced.isdigit() and int(announced) > most_bytes):
            whole = bytes(self._raw.read(most_bytes + 1, *more, **options))
            if len(whole) <= most_bytes:
                return whole
        self._raw.close()  # do not read the rest
        raise self._too_long(f"its body is longer than the limit of {most_bytes} bytes")

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Read the lines of the body; see `read`."""
        return io.BytesIO(self.read()).readlines(hint)

    @property
    def data(self) -> bytes:
        """The body; see `read`."""
        return self.read()

    def _too_long(self, problem: str) -> ResponseTooLongError:
        return ResponseTooLongError(
            f"the request at {self._where} was not answered: {problem}", sent=True
        )


def bound_botocore(body_bytes: int) -> None:
    """Bound all responses that botocore reads in this process, from now on, streams included.

    Args:
        body_bytes: longest body of any response.
    """
    from botocore import awsrequest  # noqa: PLC0415 - only for catalogs that need it

    plain = awsrequest.AWSResponse
    plain = getattr(plain, "unbounded", plain)

    class BoundedResponse(plain):  # type: ignore[valid-type, misc] # botocore has no types
        unbounded = plain

        def __init__(self, url: str, status: int, headers: Any, raw: Any) -> None:
            limit = DOCUMENT if "json" in headers.get("content-type", "") else LISTING
            super().__init__(
                url, status, headers, AnswerReader(raw, limit, body_bytes, origin_of(url))
            )

    awsrequest.AWSResponse = BoundedResponse


def bound_botocore_once(body_bytes: int) -> None:
    """See `bound_botocore`; an existing bound stays unchanged.

    Raises:
        ImportError: botocore is not installed.
    """
    from botocore import awsrequest  # noqa: PLC0415 - as above

    if not hasattr(awsrequest.AWSResponse, "unbounded"):
        bound_botocore(body_bytes)


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, which hold no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
