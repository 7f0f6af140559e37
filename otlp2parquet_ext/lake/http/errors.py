"""The code and message of an error response, and the class of error: throttled, expired, ….

S3 and STS respond with XML, other services with JSON. A response to HEAD has only a status.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.log import QUOTED_CHARACTERS, quote

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.http.response import Response

XML_CODE = re.compile(r"<Code>([^<]*)</Code>")
XML_MESSAGE = re.compile(r"<Message>([^<]*)</Message>", re.IGNORECASE)

# Decided by code, because the status differs: 400, 403 or 503.
THROTTLED = frozenset({
    "BandwidthLimitExceeded", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "SlowDownException",
    "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "ThrottledException",
    "TooManyRequestsException",
})  # fmt: skip
TRY_AGAIN = frozenset({
    "InternalError", "InternalFailure", "RequestTimeout", "RequestTimeoutException",
    "ServiceUnavailable", "PriorRequestNotComplete",
    # S3 responds with 409 while another conditional write to the same key is in progress.
    "ConditionalRequestConflict", "OperationAborted",
})  # fmt: skip
EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidToken", "TokenRefreshRequired", "UnrecognizedClientException",
})  # fmt: skip
SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
# Some services have no code for it, only this message.
SKEWED_MESSAGE = re.compile(r"Signature (expired|not yet current)")
STATUSES = frozenset({429, 500, 502, 503, 504})
READ_BYTES = 65_536
"""Bytes of an error response that are searched for a code and message."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions of decoding a server's document: not JSON, not UTF-8, or nested too deeply."""


def error_of(response: Response) -> tuple[str, str]:
    """Return the code and the message of an error response, without secrets.

    Returns:
        For example `("NoSuchBucket", "The specified bucket does not exist")`. A missing code or
        message is "". For a body in an unknown format, the message is its beginning. If the body
        was cut, the message ends with a note about it.
    """
    code, message = _as_written(response)
    cut = note(response)
    return quote(code), f"{quote(message, QUOTED_CHARACTERS - len(cut))}{cut}".strip()


def code_of(response: Response) -> str:
    """Return the unmasked code, for decisions only: messages quote `error_of`."""
    return _as_written(response)[0]


def _as_written(response: Response) -> tuple[str, str]:
    """Return code and message, not masked and not shortened."""
    text = response.body[:READ_BYTES].decode("utf-8", "replace")
    if found := XML_CODE.search(text):
        message = XML_MESSAGE.search(text)
        return html.unescape(found[1]), html.unescape(message[1]) if message else ""
    header = response.headers.get("x-amzn-errortype", "")
    try:
        document = msgspec.json.decode(response.body[:READ_BYTES])
    except UNREADABLE:
        return _bare(header), text
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        document = document["error"]  # Iceberg REST
    if not isinstance(document, dict):
        return _bare(header), text
    code = header or _first(document, "__type", "type", "Code", "code")
    return _bare(code), _first(document, "message", "Message", "errorMessage") or text


def _bare(code: str) -> str:
    """Shorten `com.amazonaws.glue#NotFoundException:http://…` to `NotFoundException`."""
    return code.partition(":")[0].rpartition("#")[2].strip()


def _first(document: dict[str, object], *names: str) -> str:
    return next((v for name in names if isinstance(v := document.get(name), str) and v), "")


def throttled(response: Response) -> bool:
    """Return whether the server throttles our requests."""
    return response.status == 429 or code_of(response) in THROTTLED


def note(response: Response) -> str:
    """Return a note that the quoted body was cut, "" for a whole body."""
    return f" (cut: {response.cut})" if response.cut else ""


def passing(response: Response) -> bool:
    """Return whether the error is temporary, so that a retry may succeed."""
    if response.status < 400:
        return False
    return response.status in STATUSES or code_of(response) in THROTTLED | TRY_AGAIN


def expired(response: Response) -> bool:
    """Return whether the server refused the credentials, so that others are needed."""
    return response.status in (400, 401, 403) and code_of(response) in EXPIRED


def skewed(response: Response) -> bool:
    """Return whether the server refused the request because the clocks differ."""
    if response.status not in (400, 401, 403):
        return False
    code, message = _as_written(response)
    return code in SKEWED or bool(SKEWED_MESSAGE.search(message))
