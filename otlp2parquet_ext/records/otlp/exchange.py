"""OTLP/HTTP without I/O: checks the head of a request, reads its body, makes the answer.

    head --read_head--> Call --read_body--> Accepted --reply--> Reply
                 |                   |
                 +---- refusal ------+------------------------> Reply

The specification defines the statuses. 200 reports the accepted records. After 400, 404, 405, 413
and 415 the client must not send the request again; after 503 it may, after a second. 429 would mean
the same, but some exporters treat it as a final failure. Every refusal has a `google.rpc.Status`
body in the encoding of its request.

Source: OpenTelemetry Protocol specification 1.10, "OTLP/HTTP".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from otlp2parquet_ext.records.otlp.encodings import (
    ENCODINGS,
    EncodingError,
    OverLimitError,
    inflate,
)
from otlp2parquet_ext.records.otlp.requests import (
    OtlpError,
    Signal,
    TooLargeError,
    read_request,
    response,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.records.otlp.requests import Accepted

PATHS = {f"/v1/{signal}": signal for signal in Signal}
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
RETRY_AFTER_S = "1"

GRPC_CODES: Mapping[int, int] = {400: 3, 404: 12, 405: 12, 413: 8, 415: 3, 500: 13, 503: 14}
"""The gRPC code for each HTTP status, which OTLP requires although clients need not read it."""


class ExportCall(Struct, frozen=True):
    """The parsed head of a valid request."""

    signal: Signal
    json: bool
    encoding: str


class Reply(Struct, frozen=True):
    """One answer; `headers` includes its Content-Type."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def read_head(
    method: str, path: str, content_type: str, content_encoding: str
) -> ExportCall | Reply:
    """Check the head of a request.

    Args:
        method, path: from the request line; the path without its query.
        content_type, content_encoding: the headers; "" if absent.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    json = media_type != PROTOBUF  # an unknown type: probably a person
    signal = PATHS.get(path)
    if signal is None:
        return refusal(404, f"{path!r}: expected one of {', '.join(PATHS)}", json=json)
    if method != "POST":
        return refusal(405, f"{method} {path}: expected POST", json=json, Allow="POST")
    if media_type not in (PROTOBUF, JSON):
        problem = f"Content-Type {content_type!r}: expected {PROTOBUF} or {JSON}"
        return refusal(415, problem, json=json)
    encoding = content_encoding.strip().lower() or "identity"
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        problem = f"Content-Encoding {content_encoding!r}: expected one of {known}"
        return refusal(415, problem, json=json, **{"Accept-Encoding": known})
    return ExportCall(signal, json, encoding)


def read_body(call: ExportCall, body: bytes, limit_bytes: int) -> Accepted | Reply:
    """Inflate and read a body; takes time in proportion to its length, uncompressed.

    Args:
        call: its parsed head.
        body: as received.
        limit_bytes: most bytes of the uncompressed body.
    """
    try:
        plain = inflate(body, call.encoding, limit_bytes)
        return read_request(call.signal, plain, json=call.json)
    except OverLimitError:
        return too_long(call, limit_bytes)
    except TooLargeError as error:
        return refusal(413, str(error), json=call.json)
    except (EncodingError, OtlpError) as error:
        return refusal(400, str(error), json=call.json)


def reply(call: ExportCall, accepted: Accepted) -> Reply:
    """Answer a request whose accepted records are in the spool."""
    body = response(call.signal, accepted, json=call.json)
    return Reply(200, body, {"Content-Type": JSON if call.json else PROTOBUF})


def too_long(call: ExportCall, limit_bytes: int) -> Reply:
    """Answer a request whose body exceeds `limit_bytes`, as sent or inflated."""
    problem = (
        f"the body has more than {limit_bytes} bytes, uncompressed: export smaller batches, or "
        "raise OTLP2PARQUET_OTLP_MAX_BYTES"
    )
    return refusal(413, problem, json=call.json)


def refusal(http_status: int, message: str, *, json: bool, **headers: str) -> Reply:
    """Answer a request that is refused.

    Args:
        http_status: one of `GRPC_CODES`; 503 asks the client to retry.
        message: the problem, and the valid values.
        json: the encoding of the answer.
        headers: further headers of this answer.
    """
    body = status(GRPC_CODES[http_status], message, json=json)
    retry = {"Retry-After": RETRY_AFTER_S} if http_status == 503 else {}
    content_type = {"Content-Type": JSON if json else PROTOBUF}
    return Reply(http_status, body, {**content_type, **retry, **headers})
