"""Bound the responses that requests reads for PyIceberg.

    server --> urllib3 --> AnswerReader, which counts --> requests --> PyIceberg

PyIceberg makes its sessions internally, some only to fetch one token, and some before the catalog
object exists. `lake.http.answer_reader` bounds the responses of botocore.

Source: requests' documentation, "Transport Adapters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from otlp2parquet_ext.lake.http.answer_reader import AnswerReader, origin_of
from otlp2parquet_ext.lake.http.limits import DOCUMENT, METADATA, OBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest, Response
    from urllib3 import BaseHTTPResponse

    from otlp2parquet_ext.lake.http.limits import AnswerLimit

_build_response = HTTPAdapter.build_response


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
        response.raw = AnswerReader(raw, limit, body_bytes, origin_of(str(request.url)))
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
