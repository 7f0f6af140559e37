"""Responses: status, body, and the form for a gateway.

    IngestResponse --as_gateway()--> {"statusCode": …, "headers": …, "body": …, …}

A refusal is a `google.rpc.Status`, as OTLP requires, in the encoding of its request. In JSON, a
refusal also has `error`, and a success has `status` and a count. Clients of otlp2parquet read these
fields, and OTLP's own clients ignore unknown fields.

Source: OpenTelemetry Protocol specification 1.10, "OTLP/HTTP Response".
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct, field

from otlp2parquet_ext.records.otlp.exchange import JSON, PROTOBUF
from otlp2parquet_ext.records.otlp.requests import response, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.functions.ingest.accepted import AcceptedRequest
    from otlp2parquet_ext.functions.ingest.call import IngestCall

TEXT = "text/plain; charset=utf-8"
RETRY_AFTER_S = 5
"""Value of the Retry-After header, in seconds: about as long as S3 throttles a bucket."""


class ResponseKind(NamedTuple):
    """The gRPC code and the error's name for an HTTP status."""

    code: int
    error: str


KINDS: Mapping[int, ResponseKind] = {
    400: ResponseKind(3, "InvalidRequest"),
    401: ResponseKind(16, "unauthenticated"),
    403: ResponseKind(7, "forbidden"),
    404: ResponseKind(12, "not found"),
    405: ResponseKind(12, "method not allowed"),
    413: ResponseKind(8, "payload too large"),
    415: ResponseKind(3, "unsupported media type"),
    500: ResponseKind(13, "internal error"),
    503: ResponseKind(14, "unavailable"),
}
"""The statuses of refusals. Only 503 makes a client send the same request again."""


class IngestResponse(Struct, frozen=True):
    """One response; `headers` includes its Content-Type."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


HEALTHY = IngestResponse(200, b"Healthy", {"Content-Type": TEXT})


def success(call: IngestCall, taken: AcceptedRequest) -> IngestResponse:
    """Return the response to a request whose records are stored."""
    if not call.json:
        assert call.signal is not None
        body = response(call.signal, taken.accepted, json=False)
        return IngestResponse(200, body, {"Content-Type": PROTOBUF})
    said: dict[str, object] = {"status": "ok", call.counted: taken.accepted.records}
    if call.signal is not None:
        said |= msgspec.json.decode(response(call.signal, taken.accepted, json=True))
    return IngestResponse(200, msgspec.json.encode(said), {"Content-Type": JSON})


def refusal(
    http_status: int,
    message: str,
    *,
    json: bool,
    error: str = "",
    more: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> IngestResponse:
    """Return the response to a refused request.

    Args:
        http_status: one of `KINDS`.
        message: the problem, and what is valid.
        json: the response is in JSON, not protobuf.
        error: a more exact name of the error than that of its status.
        more: additional fields of a JSON response.
        headers: additional headers.
    """
    kind = KINDS[http_status]
    body = status(kind.code, message, json=json)
    if json:
        said = {"error": error or kind.error, "code": kind.code, "message": message}
        body = msgspec.json.encode({**said, **(more or {})})
    retry = {"Retry-After": str(RETRY_AFTER_S)} if http_status == 503 else {}
    type_ = {"Content-Type": JSON if json else PROTOBUF}
    return IngestResponse(http_status, body, {**type_, **retry, **(headers or {})})


def as_gateway(answer: IngestResponse) -> dict[str, Any]:
    """Return a response in the form for gateways, the same for both versions of their payload."""
    binary = answer.headers.get("Content-Type") == PROTOBUF
    encoded = binascii.b2a_base64(answer.body, newline=False) if binary else answer.body
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": encoded.decode(),
        "isBase64Encoded": binary,
    }
