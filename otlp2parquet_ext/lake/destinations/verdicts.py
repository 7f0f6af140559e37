"""The meaning of a server's response for the records that were sent. Pure.

    status, body, Retry-After --read_tap(), read_otlp()--> SendResult(verdict, …)

    ACCEPTED  the server has the records
    LATER     the server or the network fails: the batch is kept
    SPLIT     the server refuses some of the records: the forwarder sends halves to find them
    NEVER     the server would refuse any request: a wrong token, a wrong URL

Source: OTLP specification, "OTLP/HTTP Response"; data-taps-template, client examples; RFC 9110,
sections 10.2.3 and 15.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.dates import http_date_ms
from otlp2parquet_ext.lake.http.errors import UNREADABLE, note

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.http.response import Response

LONGEST_WAIT_MS = 300_000
"""Longest wait that a server's `Retry-After` can cause; longer values are cut to it."""

TAP_LATER = frozenset({408, 425, 429})
OTLP_LATER = frozenset({429, 502, 503, 504})
IN_THE_DATA = frozenset({400, 413, 422})
BODY_BYTES = 4_096
"""Bytes of a response's body that are searched for a `statusCode`."""

SHOWN = 200


class Verdict(Enum):
    """See the module."""

    ACCEPTED = "taken"
    LATER = "later"
    SPLIT = "split"
    NEVER = "never"


class SendResult(NamedTuple):
    """The result of sending records.

    Attributes:
        verdict: see the module.
        says: text for messages: the status, and the text of the response.
        reason: the status alone, equal for all responses of a kind; "" when accepted.
        wait_ms: time until the next request that the server asks for; 0 for none.
        too_long: the server may accept shorter bodies.
        rejected: number of records that an accepting server rejected nevertheless.
    """

    verdict: Verdict
    says: str = ""
    reason: str = ""
    wait_ms: int = 0
    too_long: bool = False
    rejected: int = 0


def read_tap(response: Response, now_ms: int) -> SendResult:
    """Read a Data Tap's response; its status may stand in a JSON body instead.

    Args:
        response: the response.
        now_ms: Unix ms, for a Retry-After that is a date, where the server sends no `Date`: both
            dates are the server's, and our own clock may be wrong.
    """
    status = tap_status(response)
    if status < 300 and response.cut and _begins_document(response.body):
        # The body is cut short, and the missing part may hold the status.
        return SendResult(Verdict.LATER, f"HTTP {status}{note(response)}", f"HTTP {status}")
    later = status in TAP_LATER or status >= 500
    return _answer(response, status, now_ms, later=later)


def tap_status(response: Response) -> int:
    """Return a Data Tap's status, from the body if it holds one, else from the status line."""
    inside = _status_inside(response.body) if 200 <= response.status < 300 else 0
    return inside or response.status


def read_otlp(response: Response, now_ms: int) -> SendResult:
    """Read a collector's response; the caller reads the rejected count of a partial success."""
    return _answer(response, response.status, now_ms, later=response.status in OTLP_LATER)


def _answer(response: Response, status: int, now_ms: int, *, later: bool) -> SendResult:
    reason = f"HTTP {status}"
    if 200 <= status < 300:
        return SendResult(Verdict.ACCEPTED)
    text = f"{quote(response.body, SHOWN)}{note(response)}".strip()
    says = f"{reason}: {text}" if text else reason
    if later:
        sent_ms = http_date_ms(response.headers.get("date", ""))
        wait_ms = retry_after_ms(response.headers.get("retry-after", ""), sent_ms or now_ms)
        return SendResult(Verdict.LATER, says, reason, wait_ms)
    verdict = Verdict.SPLIT if status in IN_THE_DATA else Verdict.NEVER
    return SendResult(verdict, says, reason, too_long=status == 413)


def retry_after_ms(text: str, now_ms: int) -> int:
    """Return the wait that `Retry-After` asks for, at most `LONGEST_WAIT_MS`; 0 without one."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * 1_000, LONGEST_WAIT_MS)
    date_ms = http_date_ms(text)
    return 0 if date_ms is None else min(max(0, date_ms - now_ms), LONGEST_WAIT_MS)


def _status_inside(body: bytes) -> int:
    """Return `statusCode` of a JSON object, 0 if it is missing or no refusal."""
    if not _begins_document(body):
        return 0
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        return 0
    status = document.get("statusCode") if isinstance(document, dict) else None
    refuses = isinstance(status, int) and 300 <= status < 600
    return status if refuses and isinstance(status, int) else 0


def _begins_document(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{" and len(body) <= BODY_BYTES
