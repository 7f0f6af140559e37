"""Authentication at REST catalogs by a bearer token, or none.

    FixedToken         OTLP2PARQUET_REST_TOKEN; "" for no token
    ClientCredentials  OTLP2PARQUET_REST_CREDENTIAL --OAuth2--> a token, renewed when it expires

Source: RFC 6750 (bearer tokens); RFC 6749, section 4.4 (client credentials); Apache Iceberg REST
catalog, OpenAPI specification, "getToken".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

import msgspec

from otlp2parquet_ext.common.log import hide_fetched, quote
from otlp2parquet_ext.common.retry import Attempts
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.http.errors import UNREADABLE
from otlp2parquet_ext.lake.http.limits import DOCUMENT
from otlp2parquet_ext.lake.http.response import ResponseTooLongError, WebError
from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import DONE, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.http.limits import AnswerLimit
    from otlp2parquet_ext.lake.http.response import BytesLike, Response

SCOPE = "catalog"
"""Default OAuth2 scope, the same as in Iceberg's own clients."""

ATTEMPTS = 4
FIRST_WAIT_MS, LONGEST_WAIT_MS = 130, 520
RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
UNIDENTIFIED = frozenset({401, 419})
MARGIN_MS = 60_000
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class BearerTokens(Protocol):
    """A source of bearer tokens."""

    def current(self, deadline_ms: int) -> str:
        """Return a token, "" for none. Raises `WebError` with `sent=False`."""

    def refused(self) -> bool:
        """Note that the server refused the token; return whether another one may be available."""


class FixedToken:
    """See `BearerTokens`: a constant token."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    def current(self, deadline_ms: int) -> str:
        """See `BearerTokens.current`."""
        del deadline_ms
        return self._token

    def refused(self) -> bool:
        """See `BearerTokens.refused`."""
        return False


class ClientCredentials:
    """See `BearerTokens`: tokens by OAuth2 client credentials.

    Args:
        client: sends the requests.
        uri: URL of the token endpoint.
        credential: `client_id:client_secret`, or a secret alone.
        scope: scope of the token.
    """

    def __init__(self, client: Client, uri: str, credential: str, scope: str = SCOPE) -> None:
        self._client = client
        self._uri = uri
        id_, colon, secret = credential.partition(":")
        self._id, self._secret = (id_, secret) if colon else ("", credential)
        self._scope = scope
        self._token = ""
        self._ends_ms: float = 0

    def current(self, deadline_ms: int) -> str:
        """See `BearerTokens.current`."""
        if not self._token or time.time() * 1_000 > self._ends_ms - MARGIN_MS:
            self._token, lasts_s = self._fetch(deadline_ms)
            self._ends_ms = time.time() * 1_000 + lasts_s * 1_000
        return self._token

    def refused(self) -> bool:
        """See `BearerTokens.refused`."""
        self._token = ""
        return True

    def _fetch(self, deadline_ms: int) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            **({"client_id": self._id} if self._id else {}),
            "client_secret": self._secret,
            "scope": self._scope,
        }
        body = urlencode(form).encode()
        answer = self._client.request(
            "POST", self._uri, headers=FORM, body=body, deadline_ms=deadline_ms, limit=DOCUMENT
        )
        if answer.status not in DONE:
            raise WebError(
                f"{shown(self._uri)} gives no token: {failure(answer)}; expected "
                "OTLP2PARQUET_REST_CREDENTIAL=client_id:client_secret of a client it knows",
                sent=False,
            )
        try:
            token = _decode_token(answer.body)
        except UNREADABLE as error:
            raise WebError(
                f"{shown(self._uri)} gives no token: {quote(error)}", sent=False
            ) from error
        hide_fetched(token.access_token)
        return token.access_token, token.expires_in


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3_600


_decode_token = msgspec.json.Decoder(_Token).decode


class BearerClient:
    """See `Sender`.

    Args:
        client: sends the requests.
        tokens: source of the tokens.
    """

    def __init__(self, client: Client, tokens: BearerTokens) -> None:
        self._client = client
        self._tokens = tokens

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: BytesLike = b"",
        deadline_ms: int,
        retry: bool = True,
        limit: AnswerLimit | None = None,
    ) -> Response:
        """Send a request.

        Args:
            method: the HTTP method.
            url: the complete URL.
            headers: headers other than `authorization`.
            body: the request's body.
            deadline_ms: Unix ms; without a response by then, the request fails.
            retry: also retry requests that the server may have acted upon. False retries only
                requests that were never sent, or refused for their token.
            limit: see `Client.request`.

        Raises:
            WebError: there is no response.
        """
        renewed, deadline = False, SteadyDeadline(deadline_ms)
        attempts = Attempts(FIRST_WAIT_MS, LONGEST_WAIT_MS, most=ATTEMPTS, deadline=deadline)
        while True:
            token = self._tokens.current(deadline.unix_ms())
            who = {"authorization": f"Bearer {token}"} if token else {}
            try:
                answer = self._client.request(
                    method,
                    url,
                    headers={**(headers or {}), **who},
                    body=body,
                    deadline_ms=deadline.unix_ms(),
                    limit=limit,
                )
            except WebError as error:
                in_vain = isinstance(error, ResponseTooLongError)
                if in_vain or (error.sent and not retry) or not attempts.again():
                    raise
            else:
                if answer.status in UNIDENTIFIED and not renewed and self._tokens.refused():
                    renewed = True
                    continue
                if not retry or answer.status not in RETRYABLE_STATUSES or not attempts.again():
                    return answer
