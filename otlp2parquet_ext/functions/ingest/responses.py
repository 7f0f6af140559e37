"""Answers: statuses, bodies, and the shape in which a gateway wants them.

    Answer --as_gateway()--> {"statusCode": …, "headers": …, "body": …, "isBase64Encoded": …}

A refusal is a `google.rpc.Status`, as OTLP asks for, in the encoding of its request. In JSON it
also has `error`, and a success `status` and a count: clients of otlp2parquet look at these, and
OTLP's own ignore fields they do not know.

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
"""What a client waits before it comes again, if it reads that: as long as a throttled bucket."""


class ResponseKind(NamedTuple):
    """What a status means: the code a gRPC server would give, and the word for it."""

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
"""Of these only 503 asks the client to send the same request again."""


class IngestResponse(Struct, frozen=True):
    """One answer; `headers` holds its Content-Type, too."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


HEALTHY = IngestResponse(200, b"Healthy", {"Content-Type": TEXT})


def success(call: IngestCall, taken: AcceptedRequest) -> IngestResponse:
    """Answer a request whose records are safe."""
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
    """Answer a request that is not taken.

    Args:
        http_status: one of `KINDS`.
        message: what is wrong, and what is valid.
        json: the encoding of the answer.
        error: a word for it that is more exact than that of its status.
        more: fields of the answer in JSON besides.
        headers: of the answer besides.
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
    """Return an answer as gateways want it, in either version of their payload."""
    binary = answer.headers.get("Content-Type") == PROTOBUF
    encoded = binascii.b2a_base64(answer.body, newline=False) if binary else answer.body
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": encoded.decode(),
        "isBase64Encoded": binary,
    }
