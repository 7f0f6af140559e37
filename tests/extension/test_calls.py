"""Calls as values: the bytes sent to Lambda, and how its answers are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.lifecycle import calls


def test_register_asks_for_invoke_and_shutdown_and_the_account_id() -> None:
    """Before the first INVOKE only the answer to `register` has the account id."""
    request = calls.register(load({})[0], "otlp2parquet", managed=False)
    head, _, body = request.encode("127.0.0.1:9001").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: 127.0.0.1:9001")
    assert b"Lambda-Extension-Name: otlp2parquet" in head
    assert b"Lambda-Extension-Accept-Feature: accountId" in head
    assert json.loads(body) == {"events": ["INVOKE", "SHUTDOWN"]}


def test_managed_instances_are_not_asked_for_invoke() -> None:
    """Lambda refuses such a request there, and a refused extension cannot start."""
    assert json.loads(calls.register(load({})[0], "x", managed=True).body) == {
        "events": ["SHUTDOWN"]
    }


def test_the_subscription_is_what_the_reference_says() -> None:
    """Host name, schema version and types are part of Lambda's contract."""
    request = calls.subscribe(load({})[0], "id-1", 4243, "/t/abc")
    assert json.loads(request.body) == {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 10_000, "maxBytes": 262_144, "timeoutMs": 100},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/t/abc"},
    }


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({"MAX_ITEMS": "1", "MAX_BYTES": "65536"}, (1_000, 262_144)),
        ({"MAX_ITEMS": "1000000", "MAX_BYTES": "104857600"}, (10_000, 1_048_576)),
        ({"MAX_ITEMS": "2000", "MAX_BYTES": "300000"}, (2_000, 300_000)),
    ],
)
def test_the_platform_is_asked_only_for_what_it_accepts(
    environ: dict[str, str], asked: tuple[int, int]
) -> None:
    """Our limits may be wider than Lambda's. Lambda answers 400 to values outside its range."""
    buffering = json.loads(calls.subscribe(load(environ)[0], "id", 1, "/").body)["buffering"]
    assert (buffering["maxItems"], buffering["maxBytes"]) == asked


def test_an_answer_with_a_length_is_complete_when_the_length_is() -> None:
    """The server may leave the connection open after the answer."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y:  z \r\n\r\nok"
    response = calls.parse_response(answer)
    assert response is not None
    assert (response.status, response.headers["x-y"], response.body) == (200, "z", b"ok")
    assert calls.parse_response(answer[:-1]) is None


def test_a_chunked_answer_is_read() -> None:
    """Go servers send chunks when they do not know the length."""
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n1\r\n!\r\n0\r\n\r\n"
    )
    response = calls.parse_response(answer)
    assert response is not None
    assert response.body == b"ok!"


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """HTTP/1.0 servers and some emulators send such answers."""
    answer = b"HTTP/1.0 202 Accepted\r\n\r\nfine"
    assert calls.parse_response(answer) is None
    response = calls.parse_response(answer, closed=True)
    assert response is not None
    assert (response.status, response.body) == (202, b"fine")


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
)
def test_a_connection_closed_in_the_middle_is_an_error(answer: bytes) -> None:
    """Otherwise the caller would wait for bytes that never come."""
    with pytest.raises(ValueError, match="closed"):
        calls.parse_response(answer, closed=True)


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_http_is_a_value_error(answer: bytes) -> None:
    """It is the only error that callers handle."""
    with pytest.raises(ValueError, match="invalid literal"):
        calls.parse_response(answer, closed=True)


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=8))
def test_an_answer_reads_alike_however_the_network_cuts_it(body: bytes, cuts: list[int]) -> None:
    """A prefix of an answer is never read as the whole answer."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for cut in cuts:
        if cut < len(answer):
            assert calls.parse_response(answer[:-cut]) is None
    response = calls.parse_response(answer)
    assert response is not None
    assert response.body == body


def test_every_phase_has_a_row_of_legal_calls() -> None:
    """A missing row would raise a KeyError during start-up."""
    phases = {v for k, v in vars(calls.Phase).items() if not k.startswith("_")}
    assert calls.LEGAL.keys() == phases
