"""Answers to PyIceberg's own clients are bounded: those that requests and botocore read.

    server --> urllib3 --> AnswerReader, which counts --> requests | botocore --> PyIceberg

Both libraries read an answer to its end before anybody sees its status. Their sessions are made
inside PyIceberg, some of them only to fetch one token or before the catalog is there to be asked;
so the bound is set where each library makes an answer of what urllib3 gives it.

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
    """What urllib3 gives, read no further than a limit.

    Args:
        raw: the answer of urllib3.
        limit: of a successful answer; an error is cut, for its status decides.
        body_bytes: the longest answer to take, whatever it is for.
        where: names the server.
    """

    def __init__(
        self, raw: BaseHTTPResponse, limit: AnswerLimit, body_bytes: int, where: str
    ) -> None:
        self._raw = raw
        self._where = where
        self._body_bytes = body_bytes
        self._limit = limit if 200 <= raw.status < 300 else ACKNOWLEDGED

    def __getattr__(self, name: str) -> Any:
        """Return what the answer itself has of that name."""
        return getattr(self._raw, name)

    def stream(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,  # noqa: FBT001 - urllib3's
    ) -> Iterator[bytes]:
        """Yield the body, decompressed if that is asked for.

        Raises:
            ResponseTooLongError: it is needed, and longer than its limit.
        """
        most_bytes = min(self._limit.size_bytes, self._body_bytes)
        read_bytes = values_bytes = 0
        for piece in self._raw.stream(amt or PIECE_BYTES, decode_content):
            left_bytes = most_bytes - read_bytes
            read_bytes += len(piece)
            if read_bytes > most_bytes:
                self._raw.close()  # instead of reading the rest
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
    """Bound what requests reads in this process, from now on.

    Args:
        body_bytes: the longest answer to take, whatever it is for.
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
    """Return the limit of a successful answer; a table's metadata alone may be long.

    Args:
        url: of the request.
        headers: of the answer; a FileIO of the user's own may fetch files with requests.
    """
    path = urlsplit(url).path
    if "json" not in headers.get("content-type", ""):
        return OBJECT
    return METADATA if "/tables" in path or "metadata.json" in path else DOCUMENT


def bound_botocore(body_bytes: int) -> None:
    """Bound what botocore reads in this process, from now on; streams are their readers' affair.

    Args:
        body_bytes: the longest answer to take, whatever it is for.
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
    """Return the part of an address that holds no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
