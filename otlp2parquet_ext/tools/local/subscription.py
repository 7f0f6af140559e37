"""Parses telemetry subscriptions, and checks them against all rules of Lambda.

    PUT /2022-07-01/telemetry ── parse() ──▶ Subscription, or ValidationError with all errors

Source: AWS telemetry-api-reference; ranges as the published schema enforces them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SCHEMA_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")
MANAGED_SCHEMA_VERSION = "2025-01-29"
_TYPES = ("platform", "function", "extension")
_HOSTS = ("sandbox", "sandbox.localdomain")
_RESERVED_PORT = 9001
_PORTS = range(1, 65_536)
# name -> (minimum, maximum, default)
_BUFFERING = {
    "maxItems": (1_000, 10_000, 10_000),
    "maxBytes": (262_144, 1_048_576, 262_144),
    "timeoutMs": (25, 30_000, 1_000),
}


class ValidationError(ValueError):
    """An invalid subscription: Lambda answers 400 `ValidationError` with this text."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionLimits:
    """Limits that close a batch: items, bytes of records, milliseconds after its first event."""

    max_items: int
    max_bytes: int
    timeout_ms: int


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One accepted subscription.

    Attributes:
        schema_version: one of `SCHEMA_VERSIONS`.
        types: requested types, of platform, function and extension.
        protocol: `HTTP` or `TCP`.
        port: on loopback.
        path: path of the URI; "/" if it had none.
        limits: with defaults filled in.
    """

    schema_version: str
    types: tuple[str, ...]
    protocol: str
    port: int
    path: str
    limits: SubscriptionLimits


def parse(body: bytes, *, managed: bool = False) -> Subscription:
    """Read the body of a subscription.

    Raises:
        ValidationError: the message names every broken rule, separated by semicolons.
    """
    try:
        request = json.loads(body)
    except ValueError as error:
        raise ValidationError(f"request body is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ValidationError("request body is not a JSON object")
    complaints: list[str] = []
    version = _schema_version(request, complaints, managed=managed)
    types = _types(request, complaints)
    protocol, port, path = _destination(request.get("destination"), complaints)
    limits = _limits(request.get("buffering"), complaints)
    if complaints:
        raise ValidationError("; ".join(complaints))
    return Subscription(
        schema_version=version,
        types=types,
        protocol=protocol,
        port=port,
        path=path,
        limits=limits,
    )


def _schema_version(request: dict[str, Any], complaints: list[str], *, managed: bool) -> str:
    version = request.get("schemaVersion")
    allowed = (MANAGED_SCHEMA_VERSION,) if managed else SCHEMA_VERSIONS
    if version not in allowed:
        complaints.append(f"schemaVersion {version!r} is not one of {', '.join(allowed)}")
        return ""
    return str(version)


def _types(request: dict[str, Any], complaints: list[str]) -> tuple[str, ...]:
    types = request.get("types")
    if not isinstance(types, list) or not types:
        complaints.append("types should not be empty")
        return ()
    unknown = [name for name in types if name not in _TYPES]
    if unknown:
        complaints.append(f"types {unknown!r} are not among {', '.join(_TYPES)}")
    return tuple(str(name) for name in types)


def _destination(destination: object, complaints: list[str]) -> tuple[str, int, str]:
    if not isinstance(destination, dict):
        complaints.append("destination should not be empty")
        return "", 0, ""
    protocol = destination.get("protocol")
    if protocol == "TCP":
        port = destination.get("port")
        if not isinstance(port, int) or port not in _PORTS or port == _RESERVED_PORT:
            complaints.append(f"destination port {port!r} is not a free port from 1 to 65535")
        return "TCP", port if isinstance(port, int) else 0, ""
    if protocol != "HTTP":
        complaints.append(f"destination protocol {protocol!r} is not HTTP or TCP")
        return "", 0, ""
    return ("HTTP", *_uri(destination.get("URI"), complaints))


def _uri(uri: object, complaints: list[str]) -> tuple[int, str]:
    try:
        parts = urlsplit(str(uri or ""))
        port = parts.port
    except ValueError as error:
        complaints.append(f"URI {uri!r} cannot be read: {error}")
        return 0, ""
    if parts.scheme != "http":
        complaints.append(f"URI scheme {parts.scheme!r} is not http")
    if parts.hostname not in _HOSTS:
        complaints.append(f"URI host {parts.hostname!r} is not sandbox or sandbox.localdomain")
    if port is None:
        complaints.append("URI port is not provided")
    elif port == _RESERVED_PORT or port not in _PORTS:
        complaints.append(f"URI port {port} is reserved")
    query = f"?{parts.query}" if parts.query else ""
    return port or 0, (parts.path or "/") + query


def _limits(buffering: object, complaints: list[str]) -> SubscriptionLimits:
    given = buffering if isinstance(buffering, dict) else {}
    if buffering is not None and not isinstance(buffering, dict):
        complaints.append("buffering is not an object")
    values: list[int] = []
    for name, (minimum, maximum, default) in _BUFFERING.items():
        value = given.get(name, default)
        if type(value) is not int or not minimum <= value <= maximum:
            complaints.append(f"buffering {name} {value!r} is not from {minimum} to {maximum}")
            value = default
        values.append(value)
    return SubscriptionLimits(max_items=values[0], max_bytes=values[1], timeout_ms=values[2])
