"""Servers prove their identity, and our settings choose the certificates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import versitygw
from certificates import made
from s3_clients import BUCKET
from scripted_http import Server, answer, answering, running

from otlp2parquet_ext.lake.http import connection
from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.http.response import WebError
from otlp2parquet_ext.lake.storage.s3 import S3Storage

if TYPE_CHECKING:
    import socket


def soon(after_ms: float = 5_000) -> int:
    """Return a deadline."""
    return round(time.time() * 1_000 + after_ms)


def test_a_server_of_the_given_authority_is_spoken_to(tmp_path: Path) -> None:
    """With one handshake and one context for many requests."""
    identity = made(tmp_path, "127.0.0.1")
    with running(answering([answer(b"ok")]), tls=identity.server()) as server:
        web = Client(ca_file=str(identity.certificate))
        got = [web.request("GET", server.url, deadline_ms=soon()).body for _ in range(3)]
        assert got == [b"ok"] * 3
        context = web._tls
        web.close()
        large = web.request("PUT", server.url, body=bytes(3_000_000), deadline_ms=soon())
        assert large.status == 200
        assert web._tls is context
        assert server.connections == 2


@pytest.mark.parametrize(
    ("name", "days", "ours", "cause"),
    [
        ("127.0.0.1", 1, False, "self-signed certificate"),
        ("somebody.else", 1, True, "mismatch"),
        ("127.0.0.1", -1, True, "expired"),
    ],
)
def test_a_server_that_cannot_prove_itself_hears_nothing(
    *, tmp_path: Path, name: str, days: int, ours: bool, cause: str
) -> None:
    """No byte of a request, and no credentials."""
    identity = made(tmp_path, name, days=days)
    with running(answering([answer()]), tls=identity.server()) as server:
        web = Client(ca_file=str(identity.certificate) if ours else None)
        with pytest.raises(WebError, match=f"cannot be reached: .*{cause}") as error:
            web.request("GET", server.url, deadline_ms=soon())
        assert not error.value.sent
        assert server.requests == []


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bundle_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    """AWS_CA_BUNDLE is a path, easily mistyped."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WebError, match=f"certificates in {file} cannot be used"):
        Client(ca_file=str(file)).request("GET", "https://127.0.0.1:1/", deadline_ms=soon())


@pytest.mark.timing
def test_a_handshake_that_hangs_ends_with_the_deadline() -> None:
    """A server listens without TLS."""

    def play(server: Server, _: socket.socket) -> None:
        server.done.wait(5)

    with running(play) as server:
        started = time.monotonic()
        address = server.url.replace("http:", "https:")
        with pytest.raises(WebError, match="no connection within") as error:
            Client().request("GET", address, deadline_ms=soon(300))
        assert not error.value.sent
        assert time.monotonic() - started < 1.5


def test_where_openssl_knows_no_certificates_the_systems_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interpreter built elsewhere has other default paths."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    if not any(Path(bundle).exists() for bundle in connection.KNOWN_BUNDLES):
        pytest.skip(f"this machine has none of {connection.KNOWN_BUNDLES}")
    assert connection.tls_context(None).cert_store_stats()["x509_ca"] > 10


def test_s3_is_spoken_to_over_tls(tmp_path: Path) -> None:
    """As it always is in earnest: the server of the other tests, with a certificate."""
    identity = made(tmp_path, "127.0.0.1")
    with versitygw.running(tmp_path / "s3", tls=identity) as url:
        web = Client(ca_file=str(identity.certificate))
        source = CredentialSource(versitygw.CREDENTIALS, web)
        aws = AwsClient(web, source, region=versitygw.REGION, service="s3")
        assert aws.request("PUT", f"{url}/{BUCKET}", deadline_ms=soon()).status == 200
        storage = S3Storage(aws, BUCKET, endpoint=url)
        data = bytes(range(256)) * 2_000
        assert storage.put("d/x", data).new
        assert storage.get("d/x") == data
        assert list(storage.list("d")) == ["d/x"]
        assert len(web._idle) == 1
