"""Credentials are found in AWS's places, and fetched again before they end."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from scripted_http import answer, answering, running

from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import Credentials, CredentialsError, CredentialSource

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from scripted_http import Server

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "f"}
URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"


def soon() -> int:
    """Return a deadline."""
    return round(time.time() * 1_000) + 5_000


def document(number: int, lasts_s: float = 3_600) -> bytes:
    """Return what the endpoint answers."""
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + lasts_s))
    found = {"AccessKeyId": f"A{number}", "SecretAccessKey": "S", "Token": "T", "Expiration": ends}
    return json.dumps({**found, "RoleArn": "arn:x", "Code": "Success"}).encode()


def test_a_function_has_them_in_its_environment() -> None:
    """Read at every use: no request, nothing to expire."""
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    source = CredentialSource(environ, Client())
    assert source.current(soon()) == Credentials("A", "S", "T")
    assert not source.refused()
    del environ["AWS_SESSION_TOKEN"]
    assert source.current(soon()) == Credentials("A", "S", None)


def test_snapstart_has_them_behind_an_address() -> None:
    """The environment of a snapshot is older than any credentials."""
    with running(answering([answer(document(1))])) as server:
        environ = {URI: f"{server.url}/v1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer x"}
        source = CredentialSource({**LAMBDA, **environ}, Client())
        assert [source.current(soon()) for _ in range(3)] == [Credentials("A1", "S", "T")] * 3
        (request,) = server.requests
        assert request.startswith(b"GET /v1 HTTP/1.1\r\n")
        assert b"Authorization: Bearer x\r\n" in request


def test_a_token_in_a_file_is_read_each_time(tmp_path: Path) -> None:
    """EKS rotates it."""
    file = tmp_path / "token"
    with running(answering([answer(document(1))])) as server:
        environ = {URI: server.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
        source = CredentialSource(environ, Client())
        with pytest.raises(CredentialsError, match=f"_TOKEN_FILE='{file}' cannot be read"):
            source.current(soon())
        for token in ("one", "two"):
            file.write_text(f"{token}\n")
            source.refused()
            source.current(soon())
        assert [r.partition(b"Authorization: ")[2][:3] for r in server.requests] == [b"one", b"two"]


def test_they_are_fetched_again_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the wall clock: a sandbox that was frozen for hours notices at its first request."""
    answers = [answer(document(1)), answer(document(2, 9_000))]
    with running(answering(answers)) as server:
        source = CredentialSource({URI: server.url}, Client())
        started = time.time()
        assert source.current(soon()).access_key_id == "A1"
        for hours, expected in ((0.9, "A1"), (0.95, "A2"), (2.3, "A2")):
            monkeypatch.setattr(time, "time", lambda h=hours: started + 3_600 * h)
            assert source.current(soon()).access_key_id == expected
        assert len(server.requests) == 2


def test_while_they_last_an_endpoint_that_fails_is_forgiven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are five minutes to try again."""
    answers = [answer(document(1, 400)), answer(b"busy", 500)]
    with running(answering(answers)) as server:
        source = CredentialSource({URI: server.url}, Client())
        started = time.time()
        source.current(soon())
        monkeypatch.setattr(time, "time", lambda: started + 200)
        assert source.current(soon()).access_key_id == "A1"
        monkeypatch.setattr(time, "time", lambda: started + 401)
        with pytest.raises(CredentialsError, match="HTTP 500 busy"):
            source.current(soon())


def test_what_a_server_refused_is_not_used_again() -> None:
    """The role's sessions were revoked; its new ones are valid."""
    with running(answering([answer(document(1)), answer(document(2))])) as server:
        source = CredentialSource({URI: server.url}, Client())
        assert source.current(soon()).access_key_id == "A1"
        assert source.refused()
        assert source.current(soon()).access_key_id == "A2"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{}", 200, "something else than credentials"),
        (b"<html>", 200, "something else than credentials"),
        (b'{"Code": "AccessDenied"}', 403, 'HTTP 403 {"Code": "AccessDenied"}'),
    ],
)
def test_an_endpoint_that_gives_none_is_quoted(body: bytes, status: int, message: str) -> None:
    """The message also has its address, which is a setting."""
    with running(answering([answer(body, status)])) as server:
        source = CredentialSource({URI: server.url}, Client())
        with pytest.raises(CredentialsError, match=message) as error:
            source.current(soon())
        assert server.url in str(error.value)
        assert not error.value.sent


def test_credentials_do_not_travel_in_the_clear() -> None:
    """As in AWS's own SDKs."""
    source = CredentialSource({URI: "http://example.com/creds"}, Client())
    with pytest.raises(CredentialsError, match="over https, or over http from this machine"):
        source.current(soon())


def test_in_lambda_nothing_else_is_tried() -> None:
    """Instance roles and profiles are not there, and looking for them takes seconds."""
    with pytest.raises(CredentialsError, match="does the function have an execution role"):
        CredentialSource(LAMBDA, Client()).current(soon())


def chain(monkeypatch: pytest.MonkeyPatch, profiles: Path) -> None:
    """Limit boto3's chain to a file of profiles."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))


def test_on_a_laptop_boto3_finds_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So do SSO and instance roles work, none of which we want to know."""
    profiles = tmp_path / "credentials"
    profiles.write_text("[default]\naws_access_key_id = P\naws_secret_access_key = S\n")
    chain(monkeypatch, profiles)
    source = CredentialSource({}, Client())
    assert source.current(soon()) == Credentials("P", "S", None)
    profiles.write_text("[default]\naws_access_key_id = Q\naws_secret_access_key = S\n")
    assert source.current(soon()).access_key_id == "P"
    assert source.refused()
    assert source.current(soon()).access_key_id == "Q"


@pytest.mark.parametrize("boto3", [True, False])
def test_without_any_it_is_said_what_to_set(
    *, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, boto3: bool
) -> None:
    """If boto3 is missing, the message adds that boto3 knows more places."""
    chain(monkeypatch, tmp_path / "nothing")
    if not boto3:
        modules: dict[str, Any] = {"boto3": None}
        monkeypatch.setitem(sys.modules, *modules.popitem())
    with pytest.raises(CredentialsError, match="set AWS_ACCESS_KEY_ID and") as error:
        CredentialSource({}, Client()).current(soon())
    assert ("otlp2parquet-ext[glue]" in str(error.value)) is not boto3


def test_an_endless_answer_of_an_instance_s_metadata_is_read_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """boto3 asks for a role's credentials, and would read 260 MB before it looked at them."""

    def endless(server: Server, wire: socket.socket) -> None:
        while server.receive(wire):
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 272629760\r\n\r\n")
            for _ in range(260):
                wire.sendall(b"x" * 1_048_576)
                server.sent_bytes += 1_048_576

    chain(monkeypatch, tmp_path / "nothing")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with running(endless) as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        with pytest.raises(CredentialsError, match="its body is longer than the limit of"):
            CredentialSource({}, Client()).current(soon())
        assert server.sent_bytes < 24 * 1_048_576
