"""Bound the responses that PyIceberg's own HTTP clients read: requests and botocore.

    server --> urllib3 --> AnswerReader, which counts --> requests | botocore --> PyIceberg

Both libraries read a response to its end before their caller sees its status. PyIceberg makes their
sessions internally, some only to fetch one token, and some before the catalog object exists. So the
bound is set in each library, where it builds a response from urllib3's.

Source: requests' documentation, "Transport Adapters"; botocore's `httpsession` and `awsrequest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from otlp2parquet_ext.lake.http.limits import (
    ACKNOWLEDGED,
    DECODED_TIMES,
    DOCUMENT,
    LISTING,
    METADATA,
    OBJECT,
    decoded_bytes,
)
from otlp2parquet_ext.lake.http.response import ResponseTooLongError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import PreparedRequest, Response
    from urllib3 import BaseHTTPResponse

    from otlp2parquet_ext.lake.http.limits import AnswerLimit

PIECE_BYTES = 65_536

_build_response = HTTPAdapter.build_response


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

    def _too_long(self, problem: str) -> ResponseTooLongError:
        return ResponseTooLongError(
            f"the request at {self._where} was not answered: {problem}", sent=True
        )


def bound_requests(body_bytes: int) -> None:
    """Bound all responses that requests reads in this process, from now on.

    Args:
        body_bytes: longest body of any response.
    """

    def build_response(
        adapter: HTTPAdapter, request: PreparedRequest, raw: BaseHTTPResponse
    ) -> Response:
        response = _build_response(adapter, request, raw)
        limit = rest_limit(str(request.url), raw.headers)
        response.raw = AnswerReader(raw, limit, body_bytes, _origin(str(request.url)))
        return response

    HTTPAdapter.build_response = build_response  # type: ignore[method-assign, assignment]


def rest_limit(url: str, headers: Mapping[str, str]) -> AnswerLimit:
    """Return the limit of a successful response; only a table's metadata may be long.

    Args:
        url: URL of the request.
        headers: headers of the response; a user's own FileIO may fetch files with requests.
    """
    path = urlsplit(url).path
    if "json" not in headers.get("content-type", ""):
        return OBJECT
    return METADATA if "/tables" in path or "metadata.json" in path else DOCUMENT


def bound_botocore(body_bytes: int) -> None:
    """Bound all responses that botocore reads in this process, from now on, except streams.

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
                url, status, headers, AnswerReader(raw, limit, body_bytes, _origin(url))
            )

    awsrequest.AWSResponse = BoundedResponse


def _origin(url: str) -> str:
    """Return scheme, host and port of an address, which hold no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
