"""What a refusal says, and what can be done about it.

S3 and STS answer with XML, everything else with JSON; HEAD answers with nothing but a status.
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

# Codes, not statuses: these come with 400, 403 and 503.
THROTTLED = frozenset({
    "BandwidthLimitExceeded", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "SlowDownException",
    "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "ThrottledException",
    "TooManyRequestsException",
})  # fmt: skip
TRY_AGAIN = frozenset({
    "InternalError", "InternalFailure", "RequestTimeout", "RequestTimeoutException",
    "ServiceUnavailable", "PriorRequestNotComplete",
    # 409 of S3: another conditional write to the same key was under way.
    "ConditionalRequestConflict", "OperationAborted",
})  # fmt: skip
EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidToken", "TokenRefreshRequired", "UnrecognizedClientException",
})  # fmt: skip
SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
# Services without a code for it say it in the message.
SKEWED_MESSAGE = re.compile(r"Signature (expired|not yet current)")
STATUSES = frozenset({429, 500, 502, 503, 504})
READ_BYTES = 65_536
"""As many bytes of a refusal are looked at."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Errors of decoding a document: no JSON, no UTF-8, nested too deeply. All are the server's."""


def error_of(response: Response) -> tuple[str, str]:
    """Return the code and the message of an answer that is an error, as they may be quoted.

    Returns:
        For example `("NoSuchBucket", "The specified bucket does not exist")`. What the answer
        does not say is empty; one in no known form is its own message, shortened. A message
        ends with a note where the body was cut.
    """
    code, message = _as_written(response)
    cut = note(response)
    return quote(code), f"{quote(message, QUOTED_CHARACTERS - len(cut))}{cut}".strip()


def code_of(response: Response) -> str:
    """Return the code alone, as it was written: to decide by, not to show."""
    return _as_written(response)[0]


def _as_written(response: Response) -> tuple[str, str]:
    """Return code and message, neither masked nor cut."""
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
    """`com.amazonaws.glue#EntityNotFoundException:http://…` is `EntityNotFoundException`."""
    return code.partition(":")[0].rpartition("#")[2].strip()


def _first(document: dict[str, object], *names: str) -> str:
    return next((v for name in names if isinstance(v := document.get(name), str) and v), "")


def throttled(response: Response) -> bool:
    """Say whether the server asks for patience."""
    return response.status == 429 or code_of(response) in THROTTLED


def note(response: Response) -> str:
    """Return what to add to a quotation of a body that was cut; empty for a whole one."""
    return f" (cut: {response.cut})" if response.cut else ""


def passing(response: Response) -> bool:
    """Say whether the same request may well succeed a moment later."""
    if response.status < 400:
        return False
    return response.status in STATUSES or code_of(response) in THROTTLED | TRY_AGAIN


def expired(response: Response) -> bool:
    """Say whether other credentials are needed."""
    return response.status in (400, 401, 403) and code_of(response) in EXPIRED


def skewed(response: Response) -> bool:
    """Say whether the server's clock and ours differ by too much."""
    if response.status not in (400, 401, 403):
        return False
    code, message = _as_written(response)
    return code in SKEWED or bool(SKEWED_MESSAGE.search(message))
