"""Subscriptions are held to every rule of the Telemetry API, and refused with all complaints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otlp2parquet_ext.tools.local.subscription import (
    Subscription,
    SubscriptionLimits,
    ValidationError,
    parse,
)


def body(**changes: Any) -> bytes:
    """Return a good request with changes; None removes a key."""
    request: dict[str, Any] = {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/t/5f1c0e?x=1"},
    }
    request |= changes
    return json.dumps({key: value for key, value in request.items() if value is not None}).encode()


def http(uri: str) -> dict[str, str]:
    """Return an HTTP destination."""
    return {"protocol": "HTTP", "URI": uri}


def test_a_good_request_becomes_a_subscription_with_its_path() -> None:
    """The path is kept: on Lambda it is the only secret a receiver can have."""
    assert parse(body()) == Subscription(
        schema_version="2025-01-29",
        types=("platform", "function"),
        protocol="HTTP",
        port=4243,
        path="/t/5f1c0e?x=1",
        limits=SubscriptionLimits(max_items=1000, max_bytes=262144, timeout_ms=25),
    )


def test_buffering_may_be_left_out() -> None:
    """The defaults are those of the API page."""
    assert parse(body(buffering=None)).limits == SubscriptionLimits(
        max_items=10_000, max_bytes=262_144, timeout_ms=1000
    )


def test_both_host_names_and_tcp_are_accepted() -> None:
    """The short name works on Lambda, too; TCP is documented, if rarely used."""
    assert parse(body(destination=http("http://sandbox:80"))).path == "/"
    tcp = parse(body(destination={"protocol": "TCP", "port": 4243}))
    assert (tcp.protocol, tcp.port) == ("TCP", 4243)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schemaVersion": "2021-01-01"}, "schemaVersion '2021-01-01'"),
        ({"types": []}, "types should not be empty"),
        ({"types": ["platform", "metrics"]}, "types ['metrics']"),
        ({"buffering": {"timeoutMs": 24}}, "timeoutMs 24 is not from 25 to 30000"),
        ({"buffering": {"maxItems": 999}}, "maxItems 999 is not from 1000 to 10000"),
        ({"buffering": {"maxBytes": 1048577}}, "maxBytes 1048577"),
        ({"buffering": {"maxBytes": "262144"}}, "maxBytes '262144'"),
        ({"buffering": 7}, "buffering is not an object"),
        ({"destination": None}, "destination should not be empty"),
        ({"destination": {"protocol": "UDP"}}, "protocol 'UDP'"),
        ({"destination": {"protocol": "TCP", "port": 9001}}, "port 9001"),
        ({"destination": http("http://sandbox.localdomain/x")}, "URI port is not provided"),
        ({"destination": http("http://sandbox.localdomain:9001")}, "URI port 9001 is reserved"),
        ({"destination": http("https://sandbox.localdomain:4243")}, "URI scheme 'https'"),
        ({"destination": http("http://127.0.0.1:4243")}, "URI host '127.0.0.1'"),
        ({"destination": http("http://sandbox.localdomain:port")}, "cannot be read"),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, Any], complaint: str) -> None:
    """A 400 without a reason costs its reader hours."""
    with pytest.raises(ValidationError) as caught:
        parse(body(**changes))
    assert complaint in str(caught.value)


def test_all_broken_rules_are_named_at_once() -> None:
    """As in AWS's example: "URI port is not provided; types should not be empty"."""
    with pytest.raises(ValidationError) as caught:
        parse(body(types=[], destination=http("http://sandbox.localdomain")))
    assert str(caught.value) == "types should not be empty; URI port is not provided"


def test_managed_instances_insist_on_the_newest_schema() -> None:
    """Older versions are accepted everywhere else."""
    assert parse(body(schemaVersion="2022-07-01")).schema_version == "2022-07-01"
    with pytest.raises(ValidationError):
        parse(body(schemaVersion="2022-12-13"), managed=True)


@pytest.mark.parametrize("text", [b"", b"[]", b"{"])
def test_what_is_not_a_json_object_is_refused(text: bytes) -> None:
    """The subscriber's fault, not a server error."""
    with pytest.raises(ValidationError):
        parse(text)
