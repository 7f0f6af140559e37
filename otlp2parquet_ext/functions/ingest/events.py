"""Convert events of HTTP gateways to requests. Pure.

    Function URL, HTTP API (payload 2.0)  --+
    REST API, HTTP API (payload 1.0)        +--read_event()--> Request --body_of()--> bytes
    Application Load Balancer             --+

An event that is no HTTP request raises an error. With an error response instead, a queue would
delete its message.

Source: AWS Lambda developer guide, "Request and response payloads" of function URLs; Amazon API
Gateway developer guide, "AWS Lambda proxy integrations".
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.common.log import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_STAGE = "$default"


class EventError(Exception):
    """The event is no HTTP request, so the invocation fails and the caller gets the error."""


class BodyError(Exception):
    """The body contradicts `isBase64Encoded`; the message goes to the client."""


class IngestRequest(NamedTuple):
    """One HTTP request.

    Attributes:
        method: in capitals.
        path: begins with a slash, without the query. A stage that is the whole path is removed. A
            stage before other parts stays, because a stage may have the name `v1`.
        headers: by lower-case name; the values of a repeated header are joined by ", ".
        text: the body in the event, "" for none.
        in_base64: `text` is base64.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    text: str
    in_base64: bool


def read_event(event: object) -> IngestRequest:
    """Parse an event of any gateway.

    Raises:
        EventError: the event is no HTTP request.
    """
    if not isinstance(event, dict):
        raise EventError(f"{_shown(event)} is no HTTP request: expected an event of a gateway")
    context = _object(event.get("requestContext"))
    http = _object(context.get("http"))
    if "method" in http:
        method, path = http["method"], event.get("rawPath") or http.get("path")
    else:
        method, path = event.get("httpMethod"), event.get("path")
    if not isinstance(method, str) or not isinstance(path, str):
        raise EventError(
            f"{_shown(event)} is no HTTP request: expected an event of a function URL, of API "
            "Gateway or of a load balancer"
        )
    text = event.get("body")
    return IngestRequest(
        method.upper(),
        _path(path, context.get("stage")),
        _headers(event),
        text if isinstance(text, str) else "",
        event.get("isBase64Encoded") is True,
    )


def body_of(request: IngestRequest) -> bytes:
    """Return the body's bytes.

    Raises:
        BodyError: the event declares base64, but the text is not base64.
    """
    if not request.in_base64:
        return request.text.encode("utf-8", "surrogatepass")
    try:
        return binascii.a2b_base64(request.text, strict_mode=True) if request.text else b""
    except ValueError as error:  # binascii.Error, or a character that is not ASCII
        raise BodyError(f"the body is no base64: {quote(error)}") from None


def _path(path: str, stage: object) -> str:
    """Return the path of a request; see `IngestRequest`."""
    inside = path.strip("/")
    if isinstance(stage, str) and stage != DEFAULT_STAGE and inside == stage:
        return "/"
    return path if path.startswith("/") else f"/{path}"


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers; an event may have single values, lists of values, or both."""
    found: dict[str, str] = {}
    for name, value in _object(event.get("headers")).items():
        if isinstance(value, str):
            found[name.lower()] = value
    for name, values in _object(event.get("multiValueHeaders")).items():
        if isinstance(values, list):
            found[name.lower()] = ", ".join(value for value in values if isinstance(value, str))
    return found


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _shown(event: object) -> str:
    keys = ", ".join(sorted(map(str, event))[:8]) if isinstance(event, dict) else ""
    return (
        f"an event with {quote(keys) or 'nothing in it'}"
        if isinstance(event, dict)
        else quote(repr(event), 60)
    )
