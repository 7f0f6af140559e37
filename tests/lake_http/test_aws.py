"""Which requests are repeated, how often, and which are not."""

from __future__ import annotations

import calendar
import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from scripted_http import answer, answering, running

from otlp2parquet_ext.lake.http import aws
from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import Credentials, CredentialsError, CredentialSource
from otlp2parquet_ext.lake.http.dates import http_date_ms, iso_date_ms
from otlp2parquet_ext.lake.http.errors import error_of, passing, skewed, throttled
from otlp2parquet_ext.lake.http.response import Response, WebError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scripted_http import Server


class Keys:
    """Credentials that change each time they are refused."""

    def __init__(self) -> None:
        self.number = 1

    def current(self, deadline_ms: int) -> Credentials:
        """See `Identity.current`."""
        del deadline_ms
        return Credentials(f"KEY{self.number}", "secret", None)

    def refused(self) -> bool:
        """See `Identity.refused`."""
        self.number += 1
        return True


def soon(after_ms: float = 10_000) -> int:
    """Return a deadline."""
    return round(time.time() * 1_000 + after_ms)


def client(keys: Keys | CredentialSource | None = None, service: str = "glue") -> AwsClient:
    """Return a client of a service that answers with JSON."""
    return AwsClient(Client(), keys or Keys(), region="eu-central-1", service=service)


def refusal(kind: str, status: int = 400, message: str = "Because.", **headers: str) -> bytes:
    """Return an answer as Glue gives it."""
    body = json.dumps({"__type": f"com.amazonaws.glue#{kind}", "Message": message}).encode()
    return answer(body, status, **headers)


OK = answer(b"{}")
BUSY = [
    answer(b"", 503),
    answer(b"", 500),
    answer(b"oops", 502),
    refusal("ThrottlingException"),
    refusal("TooManyRequestsException", 429),
    answer(b"<Error><Code>SlowDown</Code></Error>", 503),
    answer(b'{"error":{"type":"SlowDownException","code":503,"message":"x"}}', 503),
]


@pytest.mark.parametrize("busy", BUSY, ids=range(len(BUSY)))
def test_a_server_that_is_busy_is_asked_again(busy: bytes) -> None:
    """AWS reports it in several ways."""
    with running(answering([busy, busy, OK])) as server:
        assert client().request("POST", server.url, deadline_ms=soon()).status == 200
        assert len(server.requests) == 3


@pytest.mark.parametrize("busy", BUSY, ids=range(len(BUSY)))
def test_a_request_that_must_not_be_repeated_is_not(busy: bytes) -> None:
    """A 502 may hide a commit that was done."""
    with running(answering([busy, OK])) as server:
        got = client().request("POST", server.url, deadline_ms=soon(), retry=False)
        assert (got.status, len(server.requests)) == (int(busy[9:12]), 1)


def test_retries_have_a_count() -> None:
    """And the last answer is the caller's."""
    with running(answering([answer(b"busy", 503)])) as server:
        got = client().request("POST", server.url, deadline_ms=soon())
        assert (got.status, got.body, len(server.requests)) == (503, b"busy", aws.ATTEMPTS)


@pytest.mark.timing
def test_retries_end_with_the_deadline() -> None:
    """There is no waiting for an attempt that could not be made any more."""
    with running(answering([answer(b"busy", 503)])) as server:
        started = time.monotonic()
        assert client().request("POST", server.url, deadline_ms=soon(60)).status == 503
        assert time.monotonic() - started < 1
        assert len(server.requests) < aws.ATTEMPTS


@pytest.mark.parametrize("status", [200, 204, 301, 400, 403, 404, 409, 412, 501])
def test_an_answer_that_will_not_change_is_given_at_once(status: int) -> None:
    """Asking again costs time the shutdown window does not have."""
    with running(answering([answer(b"", status)])) as server:
        assert client().request("GET", server.url, deadline_ms=soon()).status == status
        assert len(server.requests) == 1


def breaking(server: Server, wire: socket.socket) -> None:
    """Hang up on the first two requests, after they came."""
    server.receive(wire)
    if len(server.requests) > 2:
        wire.sendall(OK)


def test_a_lost_answer_is_asked_for_again() -> None:
    """Connections break."""
    with running(breaking) as server:
        assert client().request("GET", server.url, deadline_ms=soon()).status == 200
        assert len(server.requests) == 3


def test_a_lost_answer_to_a_commit_is_the_callers_business() -> None:
    """It may have been done, and is looked up."""
    with running(breaking) as server:
        with pytest.raises(WebError) as error:
            client().request("POST", server.url, deadline_ms=soon(), retry=False)
        assert (error.value.sent, len(server.requests)) == (True, 1)


@pytest.mark.parametrize("retry", [True, False])
def test_what_never_left_may_always_be_sent_again(
    *, monkeypatch: pytest.MonkeyPatch, retry: bool
) -> None:
    """A server that is starting up refuses connections for a moment."""
    real = Client.request
    calls = []

    def request(self: Client, method: str, url: str, **how: object) -> Response:
        calls.append(url)
        there = url if len(calls) == 3 else "http://127.0.0.1:1/"
        return real(self, method, there, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "request", request)
    with running(answering([OK])) as server:
        got = client().request("POST", server.url, deadline_ms=soon(), retry=retry)
        assert (got.status, len(calls)) == (200, 3)


def test_nobody_there_is_told_with_the_number_of_attempts() -> None:
    """So the reader does not assume a single lost packet."""
    with pytest.raises(WebError, match=r"127.0.0.1:1 cannot be reached.*\(attempt 5\)") as error:
        client().request("GET", "http://127.0.0.1:1/", deadline_ms=soon())
    assert not error.value.sent


def test_without_credentials_nothing_is_tried() -> None:
    """Five attempts would not find any."""
    source = CredentialSource({"AWS_LAMBDA_FUNCTION_NAME": "f"}, Client())
    with pytest.raises(CredentialsError, match="execution role"):
        client(source).request("GET", "http://127.0.0.1:1/", deadline_ms=soon())


EXPIRED = [
    refusal("ExpiredTokenException"),
    refusal("UnrecognizedClientException", 403),
    answer(b"<Error><Code>ExpiredToken</Code></Error>", 400),
    answer(b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>", 403),
]


@pytest.mark.parametrize("retry", [True, False])
@pytest.mark.parametrize("refused", EXPIRED, ids=range(len(EXPIRED)))
def test_expired_credentials_are_replaced_once(*, refused: bytes, retry: bool) -> None:
    """Nothing was done with them, so that a commit may be sent again, too."""
    with running(answering([refused, OK])) as server:
        got = client().request("POST", server.url, deadline_ms=soon(), retry=retry)
        keys = [r.partition(b"Credential=")[2][:4] for r in server.requests]
        assert (got.status, keys) == (200, [b"KEY1", b"KEY2"])


def test_credentials_that_are_refused_again_are_given_up() -> None:
    """There is no third kind."""
    with running(answering([EXPIRED[0]])) as server:
        assert client().request("POST", server.url, deadline_ms=soon()).status == 400
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "refused",
    [
        lambda date: answer(b"<Error><Code>RequestTimeTooSkewed</Code></Error>", 403, Date=date),
        lambda date: refusal(
            "InvalidSignatureException",
            400,
            "Signature expired: x is now earlier than y",
            Date=date,
        ),
        lambda date: refusal(
            "InvalidSignatureException", 403, "Signature not yet current: x > y", Date=date
        ),
    ],
    ids=["S3", "Glue, late", "Glue, early"],
)
@pytest.mark.parametrize("retry", [True, False])
def test_the_servers_clock_is_taken_over(*, refused: Callable[[str], bytes], retry: bool) -> None:
    """It is the one that counts; and it stays taken over."""
    date = formatdate(time.time() + 7_200, usegmt=True)
    with running(answering([refused(date), OK])) as server:
        ours = client()
        for _ in range(2):
            assert ours.request("POST", server.url, deadline_ms=soon(), retry=retry).status == 200
        told = [r.partition(b"X-Amz-Date: ")[2][:16].decode() for r in server.requests]
        signed_s = [calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ")) for text in told]
        assert [round((s - signed_s[0]) / 3_600) for s in signed_s] == [0, 2, 2]


def test_a_clock_that_is_right_is_not_blamed() -> None:
    """A refusal for it, without a difference, would be repeated for ever."""
    date = formatdate(time.time(), usegmt=True)
    skew = answer(b"<Error><Code>RequestTimeTooSkewed</Code></Error>", 403, Date=date)
    for first in (skew, answer(b"<Error><Code>RequestTimeTooSkewed</Code></Error>", 403)):
        with running(answering([first, OK])) as server:
            assert client().request("GET", server.url, deadline_ms=soon()).status == 403


def test_a_clock_that_jumps_is_followed_once() -> None:
    """Behind one name there may be servers that do not agree."""
    dates = [formatdate(time.time() + 7_200 * n, usegmt=True) for n in range(1, 9)]
    answers = [answer(b"<Code>RequestTimeTooSkewed</Code>", 403, Date=date) for date in dates]
    with running(answering(answers)) as server:
        assert client().request("GET", server.url, deadline_ms=soon()).status == 403
        assert len(server.requests) == 2


def test_an_address_that_is_none_is_not_tried() -> None:
    """It will not become one."""
    with pytest.raises(WebError, match="expected http"):
        client().request("GET", "s3://bucket", deadline_ms=soon())


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (
            b"<?xml?>\n<Error><Code>NoSuchKey</Code><Message>a &lt; b</Message></Error>",
            {},
            ("NoSuchKey", "a < b"),
        ),
        (b'{"__type":"com.amazonaws.glue#X","Message":"m"}', {}, ("X", "m")),
        (b'{"__type":"X","message":"m"}', {}, ("X", "m")),
        (b'{"message":"m"}', {"x-amzn-errortype": "X:http://internal/"}, ("X", "m")),
        (b'{"Code":"X","Message":"m"}', {}, ("X", "m")),
        (b'{"error":{"message":"m","type":"X","code":409}}', {}, ("X", "m")),
        (b'{"error":"invalid_client"}', {}, ("", '{"error":"invalid_client"}')),
        (b"<html>proxy</html>", {}, ("", "<html>proxy</html>")),
        (b'"text"', {}, ("", '"text"')),
        (b"\xff\xfe", {"x-amzn-errortype": "X"}, ("X", "\ufffd\ufffd")),
        (b"", {}, ("", "")),
    ],
)
def test_an_error_is_read_in_each_of_its_forms(
    body: bytes, headers: dict[str, str], expected: tuple[str, str]
) -> None:
    """S3, STS, Glue, SQS, Lambda, Iceberg REST, and proxies in between have different forms."""
    assert error_of(Response(400, headers, body)) == expected


def test_success_is_never_an_error() -> None:
    """The contents of an object do not matter."""
    body = b"<Error><Code>SlowDown</Code></Error>"
    assert not passing(Response(200, {}, body))
    assert not skewed(Response(200, {}, b"<Error><Code>RequestTimeTooSkewed</Code></Error>"))
    assert throttled(Response(503, {}, body))


def test_dates_are_read_as_servers_write_them() -> None:
    """And nothing else is taken for one."""
    assert http_date_ms("Fri, 20 Nov 2026 22:21:56 GMT") == 1_795_213_316_000
    assert http_date_ms("Sat, 31 Dec 2016 23:59:60 GMT") == 1_483_228_799_000
    assert iso_date_ms("2026-11-20T22:21:56.789Z") == 1_795_213_316_789
    wrong = ["", "Friday", "Fri, 31 Feb 2026 22:21:56 GMT", "Fri, 20 Nov 2026 22:21:56 CET"]
    assert [http_date_ms(text) for text in wrong] == [None] * 4
    assert iso_date_ms("yesterday") is None
