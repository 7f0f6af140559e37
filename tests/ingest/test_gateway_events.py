"""Events of every gateway become the same request; what is no request becomes an error."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from gateway_events import GATEWAYS, sample
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.functions.ingest.events import BodyError, EventError, body_of, read_event

if TYPE_CHECKING:
    from collections.abc import Callable

each = pytest.mark.parametrize("make", GATEWAYS.values(), ids=GATEWAYS)


@each
def test_a_request_is_the_same_through_every_gateway(make: Callable[..., dict[str, Any]]) -> None:
    """Query, case of names and base64 are the gateway's affair, not the client's."""
    headers = {"Content-Type": "application/x-protobuf", "X-BD-Authorization": "t"}
    request = read_event(make("POST", "/v1/traces", b"\x0a\xff\x00", headers))
    assert request.method == "POST"
    assert request.path in {"/v1/traces", "/prod/v1/traces"}
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-bd-authorization"] == "t"
    assert body_of(request) == b"\x0a\xff\x00"


@each
def test_text_comes_as_it_is_and_no_body_is_empty(make: Callable[..., dict[str, Any]]) -> None:
    """JSON is not in base64; without a body the event has null."""
    text = '{"a": "é😀"}'.encode()
    event = make("POST", "/v1/logs", text, {"Content-Type": "application/json"})
    assert event["isBase64Encoded"] is False
    assert body_of(read_event(event)) == text
    assert body_of(read_event(make("GET", "/health"))) == b""


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_samples_are_read_as_they_stand(name: str) -> None:
    """They are what AWS documents, with nothing changed by a test."""
    request = read_event(sample(name))
    assert (request.method, request.text) == ("POST", "{}")
    assert request.path.endswith("/v1/logs")
    assert request.headers["content-type"] == "application/json"


def test_a_header_that_came_several_times_has_all_its_values() -> None:
    """Only payload 1.0 keeps them apart."""
    event = sample("rest_api")
    event["multiValueHeaders"]["X-Several"] = ["a", "b"]
    event["headers"]["X-Several"] = "b"
    assert read_event(event).headers["x-several"] == "a, b"


@pytest.mark.parametrize(
    ("raw", "path"), [("/prod", "/"), ("/prod/", "/"), ("/production", "/production")]
)
def test_a_stage_alone_is_no_path(raw: str, path: str) -> None:
    """A data tap's URL has nothing behind the stage."""
    event = sample("http_api")
    event["rawPath"] = raw
    assert read_event(event).path == path
    assert read_event(sample("rest_api") | {"path": raw}).path == path


def test_a_stage_that_is_called_as_a_path_begins_takes_nothing_off() -> None:
    """Behind a custom domain the stage is not in the path at all."""
    for name in ("http_api", "rest_api"):
        event = sample(name) | {"rawPath": "/v1/logs"}
        event["requestContext"]["stage"] = "v1"
        assert read_event(event).path == "/v1/logs"


def test_a_stage_called_default_is_no_part_of_the_path() -> None:
    """That is what function URLs have."""
    event = sample("function_url")
    event["rawPath"] = "/$default/v1/logs"
    assert read_event(event).path == "/$default/v1/logs"


@pytest.mark.parametrize("text", ["no base64!", "YQ", "é", "YQ==YQ=="])
def test_base64_that_is_none_is_the_clients_error(text: str) -> None:
    """Half a body must not pass for a shorter one."""
    event = sample("function_url") | {"body": text, "isBase64Encoded": True}
    with pytest.raises(BodyError, match="no base64"):
        body_of(read_event(event))


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "text",
        {"Records": [{"messageId": "m", "body": "x"}]},
        {"requestContext": {"http": {"method": "POST"}}},
        {"httpMethod": 7, "path": "/"},
        {"source": "aws.events", "detail": {}},
    ],
)
def test_what_is_no_request_fails_the_invocation(event: object) -> None:
    """A queue that was answered politely would delete its messages."""
    with pytest.raises(EventError, match="is no HTTP request: expected"):
        read_event(event)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["requestContext", "http", "method", "rawPath", "path", "httpMethod", "headers",
                 "multiValueHeaders", "body", "isBase64Encoded", "stage"]
            ),
            inner,
            max_size=6,
        ),
        max_leaves=12,
    ),
    st.binary(max_size=8),
)  # fmt: skip
def test_any_event_is_read_or_refused(event: object, body: bytes) -> None:
    """A caller that may invoke the function may send anything."""
    try:
        request = read_event(event)
    except EventError:
        return
    assert request.path.startswith("/")
    text = base64.b64encode(body).decode()
    assert body_of(request._replace(text=text, in_base64=True)) == body
