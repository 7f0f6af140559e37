"""Our signatures are botocore's, byte for byte."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otlp2parquet_ext.lake.http.address import encoded, query
from otlp2parquet_ext.lake.http.credentials import Credentials
from otlp2parquet_ext.lake.http.sigv4 import SigningScope, sha256_hex, signed_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW_S = 1_735_689_600
REGION = "eu-central-1"
PLAIN = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
TEMPORARY = PLAIN._replace(session_token="a/token+with=characters")  # noqa: S106 - no secret

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
segments = st.lists(text | st.sampled_from([".", "..", "", "a b", "%41", "=+~*'"]), max_size=6)
pairs = st.lists(st.tuples(text.filter(bool), text), max_size=5)
# Newlines inside of a value are refused by the client; other control characters by servers.
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
names = st.from_regex(r"\AX-[A-Za-z][A-Za-z0-9-]{0,10}\Z").map(lambda n: f"{n}-t")
headers = st.dictionaries(names, values, max_size=4).filter(
    lambda h: len({name.lower() for name in h}) == len(h)
)


def oracle(
    method: str,
    url: str,
    given_headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    service: str,
) -> str:
    """Return the Authorization header botocore computes for the same second."""
    kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    request = botocore.awsrequest.AWSRequest(method, url, headers=dict(given_headers), data=body)
    request.context["payload_signing_enabled"] = True
    signer = kind(botocore.credentials.Credentials(*credentials), service, REGION)
    now = dt.datetime.fromtimestamp(NOW_S, dt.UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
        signer.add_auth(request)
    return str(request.headers["Authorization"])


def ours(
    method: str,
    url: str,
    given_headers: Mapping[str, str],
    body: bytes = b"",
    *,
    credentials: Credentials = PLAIN,
    service: str = "s3",
) -> dict[str, str]:
    """Return our headers for the same second."""
    return signed_headers(
        method,
        url,
        given_headers,
        sha256_hex(body),
        credentials,
        scope=SigningScope(REGION, service),
        time_s=NOW_S,
    )


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
    host=st.sampled_from(["https://b.s3.amazonaws.com", "http://localhost:9000", "http://h:80"]),
    path=segments,
    asked=pairs,
    sent=headers,
    body=st.binary(max_size=40),
    credentials=st.sampled_from([PLAIN, TEMPORARY]),
    service=st.sampled_from(["s3", "glue", "s3tables"]),
)
def test_signatures_are_those_of_botocore(
    *,
    method: str,
    host: str,
    path: list[str],
    asked: list[tuple[str, str]],
    sent: dict[str, str],
    body: bytes,
    credentials: Credentials,
    service: str,
) -> None:
    """Odd keys, repeated and empty query values, spaces in headers, single and double encoding."""
    url = f"{host}/{encoded('/'.join(path), safe='/')}"
    if asked:
        url += f"?{query(asked)}"
    expected = oracle(method, url, sent, body, credentials=credentials, service=service)
    assert (
        ours(method, url, sent, body, credentials=credentials, service=service)["Authorization"]
        == expected
    )


@pytest.mark.parametrize("service", ["s3", "glue"])
def test_s3_alone_sends_the_digest_of_the_body(service: str) -> None:
    """S3 refuses requests without it."""
    signed = ours("PUT", "https://h/", {}, b"abc", service=service)
    assert signed.get("X-Amz-Content-SHA256") == (sha256_hex(b"abc") if service == "s3" else None)


def test_what_proxies_change_is_not_signed() -> None:
    """A load balancer that adds a trace id would make every signature wrong."""
    changed = {"User-Agent": "x", "X-Amzn-Trace-Id": "y", "Connection": "close", "Expect": "z"}
    plain = ours("GET", "https://h/", {})
    assert ours("GET", "https://h/", changed) == {**changed, **plain}


def test_a_request_signed_before_is_signed_anew() -> None:
    """Another attempt, minutes later: an old date or token may not survive in it."""
    first = ours("GET", "https://h/", {}, credentials=TEMPORARY)
    assert ours("GET", "https://h/", first, credentials=TEMPORARY) == first


def test_the_oracle_looks_at_what_we_sign() -> None:
    """Were botocore's signature the same for anything, the tests above would prove nothing."""
    one = oracle("GET", "https://h/a", {}, b"", credentials=PLAIN, service="s3")
    assert one != oracle("GET", "https://h/b", {}, b"", credentials=PLAIN, service="s3")
