"""Requests as each gateway hands them to a function; the shapes are in events/."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SAMPLES = Path(__file__).with_name("events")
TEXTUAL = ("text/", "application/json", "application/javascript", "application/xml")
NONE: Mapping[str, str] = {}


def sample(name: str) -> dict[str, Any]:
    """Read an event as AWS documents it."""
    event: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return event


def _body(event: dict[str, Any], body: bytes, headers: Mapping[str, str]) -> None:
    """Put in a body: gateways pass on text as it is, and all else in base64."""
    lower = {name.lower(): value for name, value in headers.items()}
    is_text = lower.get("content-type", "").startswith(TEXTUAL)
    event["isBase64Encoded"] = bool(body) and not (is_text and "content-encoding" not in lower)
    event["body"] = base64.b64encode(body).decode() if event["isBase64Encoded"] else body.decode()
    if not body:
        event["body"] = None


def _second(name: str, stage: str) -> Callable[..., dict[str, Any]]:
    """Make events of payload version 2.0."""

    def make(
        method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NONE
    ) -> dict[str, Any]:
        event = copy.deepcopy(sample(name))
        for key in [key for key in event["headers"] if key.startswith("content-")]:
            del event["headers"][key]
        event["rawPath"] = f"{stage}{path}"
        event["requestContext"]["http"] |= {"method": method, "path": f"{stage}{path}"}
        event["headers"] |= {key.lower(): value for key, value in headers.items()}
        _body(event, body, headers)
        return event

    return make


def _first(name: str) -> Callable[..., dict[str, Any]]:
    """Make events of payload version 1.0, and those of a load balancer."""

    def make(
        method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NONE
    ) -> dict[str, Any]:
        event = copy.deepcopy(sample(name))
        event |= {"httpMethod": method, "path": path}
        for key in [key for key in event["headers"] if key.lower().startswith("content-")]:
            del event["headers"][key]
        event["headers"] |= headers
        if "multiValueHeaders" in event:
            event["multiValueHeaders"] = {key: [val] for key, val in event["headers"].items()}
        _body(event, body, headers)
        return event

    return make


GATEWAYS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "function_url": _second("function_url", ""),
    "http_api": _second("http_api", "/prod"),
    "rest_api": _first("rest_api"),
    "load_balancer": _first("load_balancer"),
}
function_url = GATEWAYS["function_url"]


def answered(answer: Mapping[str, Any]) -> bytes:
    """Return the body a client gets."""
    body: str = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
