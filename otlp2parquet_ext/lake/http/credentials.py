"""AWS credentials, and the sources that they come from.

    environment            a function's own, valid for the life of the environment
    container endpoint     SnapStart, ECS, EKS: they expire, and are fetched again before that
    boto3's chain          profiles, SSO, instance roles: outside of Lambda, if boto3 is installed

Each use compares the expiry with the wall clock, so credentials that expired during a freeze are
fetched again.

Source: AWS SDKs and tools reference guide, "Container credential provider"; AWS Lambda developer
guide, "Improving startup performance with Lambda SnapStart".
"""

from __future__ import annotations

import importlib
import threading
import time
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from otlp2parquet_ext.common.log import hide_fetched, quote
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.http.address import split
from otlp2parquet_ext.lake.http.errors import UNREADABLE, note
from otlp2parquet_ext.lake.http.limits import DOCUMENT, memory_limit_bytes
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.client import Client

FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - likewise
CONTAINER_HOST = "http://169.254.170.2"
# Only these hosts may send credentials over plain http; all others need https.
PLAIN_HOSTS = frozenset({
    "127.0.0.1", "::1", "localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
})  # fmt: skip

AHEAD_S = 300
"""Seconds before their expiry at which credentials are fetched again."""

FETCH_MS = 2_000
"""Longest time to fetch credentials; the endpoint is on this machine."""


def provider(environ: Mapping[str, str]) -> str:
    """Return a text for the source that `CredentialSource` would use with these variables."""
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        temporary = ", with AWS_SESSION_TOKEN" if environ.get("AWS_SESSION_TOKEN") else ""
        return f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY{temporary}"
    for name in (FULL_URI, RELATIVE_URI):
        if environ.get(name):
            return f"{name}, the container's endpoint"
    if profile := environ.get("AWS_PROFILE"):
        return f"boto3, AWS_PROFILE={profile!r}"
    return "boto3's chain: profiles, SSO, instance roles"


class CredentialsError(WebError):
    """There are no credentials, so no request was sent; the message names the setting to add."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class Credentials(NamedTuple):
    """The credentials for signatures; `session_token` is None for long-term ones."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None


class Identity(Protocol):
    """A source of credentials for an `AwsClient`."""

    def current(self, deadline_ms: int) -> Credentials:
        """Return credentials that are valid now.

        Args:
            deadline_ms: Unix ms; the source fetches no longer than until then.

        Raises:
            CredentialsError: there are none.
        """

    def refused(self) -> bool:
        """Note that a server refused the credentials.

        Returns:
            Whether `current` may return other credentials now.
        """


class _Fetched(NamedTuple):
    credentials: Credentials
    expires_s: float
    """Unix seconds of the expiry; infinity without one."""


class _Document(msgspec.Struct):
    """The response of the container endpoint."""

    AccessKeyId: str
    SecretAccessKey: str
    Token: str | None = None
    Expiration: datetime | None = None


_decode_document = msgspec.json.Decoder(_Document).decode


class CredentialSource:
    """See `Identity`: gets credentials, and renews them; several threads may use it at once.

    Args:
        environ: environment variables of the process.
        client: sends requests to the container endpoint.
    """

    def __init__(self, environ: Mapping[str, str], client: Client) -> None:
        self._environ = environ
        self._client = client
        self._lock = threading.Lock()
        self._fetched: _Fetched | None = None

    def current(self, deadline_ms: int) -> Credentials:
        """See `Identity.current`."""
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
            return Credentials(
                environ["AWS_ACCESS_KEY_ID"],
                environ["AWS_SECRET_ACCESS_KEY"],
                environ.get("AWS_SESSION_TOKEN") or None,
            )
        with self._lock:
            now_s = time.time()
            known = self._fetched
            if known is not None and now_s < known.expires_s - AHEAD_S:
                return known.credentials
            try:
                self._fetched = self._fetch(deadline_ms)
            except CredentialsError:
                if known is None or now_s >= known.expires_s:
                    raise
                return known.credentials  # still valid for a few minutes
            found = self._fetched.credentials
            hide_fetched(found.secret_access_key, found.session_token)
            return found

    def refused(self) -> bool:
        """See `Identity.refused`; credentials in environment variables never change."""
        with self._lock:
            had = self._fetched is not None
            self._fetched = None
            return had

    def _fetch(self, deadline_ms: int) -> _Fetched:
        if uri := self._environ.get(FULL_URI):
            return self._from_container(uri, deadline_ms)
        if path := self._environ.get(RELATIVE_URI):
            return self._from_container(CONTAINER_HOST + path, deadline_ms)
        return self._from_boto3()

    def _from_container(self, uri: str, deadline_ms: int) -> _Fetched:
        origin = split(uri).origin
        if origin.scheme != "https" and origin.host not in PLAIN_HOSTS:
            raise CredentialsError(
                f"{FULL_URI}={shown(uri)!r}: credentials are fetched over https, or over http from "
                f"this machine ({', '.join(sorted(PLAIN_HOSTS))}) only"
            )
        deadline_ms = min(deadline_ms, round(time.time() * 1_000) + FETCH_MS)
        try:
            headers = self._authorization()
            response = self._client.request(
                "GET", uri, headers=headers, deadline_ms=deadline_ms, limit=DOCUMENT
            )
        except WebError as error:
            raise CredentialsError(f"no credentials from {shown(uri)}: {error}") from error
        if response.status != 200:
            said = f"HTTP {response.status} {quote(response.body)}{note(response)}".rstrip()
            raise CredentialsError(f"no credentials from {shown(uri)}: {said}")
        return _parsed(uri, response.body)

    def _authorization(self) -> dict[str, str]:
        token = self._environ.get(TOKEN, "")
        if path := self._environ.get(TOKEN_FILE):
            try:  # read it each time, because the token is rotated
                token = Path(path).read_text("utf-8").strip()
                hide_fetched(token)
            except (OSError, UnicodeError) as error:
                raise CredentialsError(
                    f"{TOKEN_FILE}={path!r} cannot be read: {quote(error)}"
                ) from error
        return {"Authorization": token} if token else {}

    def _from_boto3(self) -> _Fetched:
        """Get credentials from boto3: profiles, SSO or instance roles. The layer has no boto3."""
        if "AWS_LAMBDA_FUNCTION_NAME" in self._environ:
            raise CredentialsError(
                "Lambda gave no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                f"nor {FULL_URI} is set; does the function have an execution role?"
            )
        try:
            from otlp2parquet_ext.lake.http.answer_reader import bound_botocore_once  # noqa: PLC0415

            session = importlib.import_module("boto3").Session()
            bound_botocore_once(memory_limit_bytes(self._environ))
            found = session.get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except ImportError:
            frozen = None
            more = ", or pip install 'otlp2parquet-ext[glue]' for profiles, SSO and instance roles"
        except Exception as error:
            raise CredentialsError(f"boto3 finds no credentials: {quote(error)}") from error
        else:
            more = "; boto3 finds none in profiles, SSO or instance roles either"
        if frozen is None:
            raise CredentialsError(
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with "
                f"AWS_SESSION_TOKEN for temporary ones) or {FULL_URI}{more}"
            )
        credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        # boto3 renews credentials itself. Asking it at each use costs too much, so once a minute.
        return _Fetched(credentials, time.time() + AHEAD_S + 60)


def _parsed(uri: str, body: bytes) -> _Fetched:
    try:
        document = _decode_document(body)
    except UNREADABLE as error:
        raise CredentialsError(
            f"{shown(uri)} answered something else than credentials: {quote(error)}"
        ) from None
    expires = document.Expiration.timestamp() if document.Expiration else float("inf")
    return _Fetched(
        Credentials(document.AccessKeyId, document.SecretAccessKey, document.Token or None), expires
    )
