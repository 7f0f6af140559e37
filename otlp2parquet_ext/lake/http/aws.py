"""Signed requests to AWS, with retries where a retry is safe and may help.

    refused credentials  → fetch new ones, once            (the server did not act: always safe)
    a wrong local clock  → use the server's time, once     (likewise)
    throttled, 5xx, lost → wait a little and try again     (only for `retry=True`)

A commit passes `retry=False`, because it needs the outcome of each attempt.

Source: AWS SDKs and tools reference guide, "Retry behavior"; Exponential backoff and jitter.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.retry import Attempts
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.http.address import split
from otlp2parquet_ext.lake.http.credentials import CredentialsError
from otlp2parquet_ext.lake.http.dates import http_date_ms
from otlp2parquet_ext.lake.http.errors import expired, passing, skewed, throttled
from otlp2parquet_ext.lake.http.response import Response, ResponseTooLongError, WebError
from otlp2parquet_ext.lake.http.sigv4 import SigningScope, sha256_hex, signed_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.http.credentials import Identity
    from otlp2parquet_ext.lake.http.limits import AnswerLimit
    from otlp2parquet_ext.lake.http.response import BytesLike

ATTEMPTS = 5
"""Most attempts of a request; a new try after new credentials or a clock correction is extra."""

FIRST_WAIT_MS = 50
THROTTLED_WAIT_MS = 200
LONGEST_WAIT_MS = 5_000
NOTICEABLE_S = 10
"""Least difference of the clocks, in seconds, that can be the cause of a refused signature."""


class AwsClient:
    """One service in one region.

    Args:
        client: sends the requests.
        credentials: sign the requests.
        region: the region's name in signatures.
        service: the service's name in signatures: `s3`, `glue`, `s3tables`, `sqs`, …
    """

    def __init__(self, client: Client, credentials: Identity, *, region: str, service: str) -> None:
        self._client = client
        self._credentials = credentials
        self.region = region
        self.service = service
        self._ahead_s = 0.0  # the server's clock minus ours

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
        """Return the response of the last attempt, with any status.

        Args:
            method: in capitals.
            url: percent-encoded.
            headers: all of them are signed.
            body: the request's body.
            deadline_ms: Unix ms; an attempt that could not end before it does not begin.
            retry: also retry requests that the server may have acted upon. False retries only
                requests that were never sent, or refused for their signature.
            limit: see `Client.request`.

        Raises:
            WebError: no attempt got a response; `sent` is True if any attempt was sent.
        """
        split(url)  # a malformed URL fails here, before any attempt
        deadline = SteadyDeadline(deadline_ms)
        request = _SignedRequest(
            method, url, headers or {}, body, sha256_hex(body), deadline, limit
        )
        sent = False
        attempts = Attempts(FIRST_WAIT_MS, LONGEST_WAIT_MS, most=ATTEMPTS, deadline=deadline)
        while True:
            result = self._attempt(request)
            sent = sent or isinstance(result, Response) or result.sent
            first_ms = _first_wait_ms(result) if retry or not sent else None
            if first_ms is None or not attempts.again(first_ms):
                break
        if isinstance(result, Response):
            return result
        raise type(result)(f"{result} (attempt {attempts.made})", sent=sent) from result

    def _attempt(self, request: _SignedRequest) -> Response | WebError:
        """Send a request; send it again after new credentials or a clock correction."""
        refreshed = adjusted = False
        try:
            while True:
                response = self._send(request)
                if not refreshed and expired(response) and self._credentials.refused():
                    refreshed = True
                elif not adjusted and skewed(response) and self._adjust(response):
                    adjusted = True
                else:
                    return response
        except CredentialsError:
            raise
        except WebError as error:
            return error

    def _send(self, request: _SignedRequest) -> Response:
        headers = signed_headers(
            request.method,
            request.url,
            request.headers,
            request.body_sha256,
            self._credentials.current(request.deadline.unix_ms()),
            scope=SigningScope(self.region, self.service),
            time_s=time.time() + self._ahead_s,
        )
        return self._client.request(
            request.method,
            request.url,
            headers=headers,
            body=request.body,
            deadline_ms=request.deadline.unix_ms(),
            limit=request.limit,
        )

    def _adjust(self, response: Response) -> bool:
        """Adopt the server's clock; return whether it differs enough to explain the refusal."""
        server_ms = http_date_ms(response.headers.get("date", ""))
        if server_ms is None:
            return False
        ahead_s = server_ms / 1_000 - time.time()
        changed = abs(ahead_s - self._ahead_s) > NOTICEABLE_S
        self._ahead_s = ahead_s
        return changed


class _SignedRequest(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    body: BytesLike
    body_sha256: str
    deadline: SteadyDeadline
    limit: AnswerLimit | None


def _first_wait_ms(result: Response | WebError) -> int | None:
    """Return the bound of the first pause after a result; None if a retry cannot help."""
    if isinstance(result, ResponseTooLongError):
        return None  # the next response would be too long again
    if isinstance(result, WebError):
        return FIRST_WAIT_MS
    if not passing(result):
        return None
    return THROTTLED_WAIT_MS if throttled(result) else FIRST_WAIT_MS
