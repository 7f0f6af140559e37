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

from otlp2parquet_ext.otlp.exchange import JSON, PROTOBUF
from otlp2parquet_ext.otlp.requests import response, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.ingest.routes import Call
    from otlp2parquet_ext.ingest.taken import Taken

TEXT = "text/plain; charset=utf-8"
RETRY_AFTER_S = 5
"""What a client waits before it comes again, if it reads that: as long as a throttled bucket."""


class Kind(NamedTuple):
    """What a status means: the code a gRPC server would give, and the word for it."""

    code: int
    error: str


KINDS: Mapping[int, Kind] = {
    400: Kind(3, "InvalidRequest"),
    401: Kind(16, "unauthenticated"),
    403: Kind(7, "forbidden"),
    404: Kind(12, "not found"),
    405: Kind(12, "method not allowed"),
    413: Kind(8, "payload too large"),
    415: Kind(3, "unsupported media type"),
    500: Kind(13, "internal error"),
    503: Kind(14, "unavailable"),
}
"""Of these only 503 asks the client to send the same request again."""


class Answer(Struct, frozen=True):
    """One answer; `headers` holds its Content-Type, too."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


HEALTHY = Answer(200, b"Healthy", {"Content-Type": TEXT})


def success(call: Call, taken: Taken) -> Answer:
    """Answer a request whose records are safe."""
    if not call.json:
        assert call.signal is not None
        body = response(call.signal, taken.accepted, json=False)
        return Answer(200, body, {"Content-Type": PROTOBUF})
    said: dict[str, object] = {"status": "ok", call.counted: taken.accepted.records}
    if call.signal is not None:
        said |= msgspec.json.decode(response(call.signal, taken.accepted, json=True))
    return Answer(200, msgspec.json.encode(said), {"Content-Type": JSON})


def refusal(
    http_status: int,
    message: str,
    *,
    json: bool,
    error: str = "",
    more: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
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
    return Answer(http_status, body, {**type_, **retry, **(headers or {})})


def as_gateway(answer: Answer) -> dict[str, Any]:
    """Return an answer as gateways want it, in either version of their payload."""
    binary = answer.headers.get("Content-Type") == PROTOBUF
    encoded = binascii.b2a_base64(answer.body, newline=False) if binary else answer.body
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": encoded.decode(),
        "isBase64Encoded": binary,
    }
