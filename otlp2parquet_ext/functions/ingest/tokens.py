"""Bearer tokens of permitted clients.

    Authorization: Bearer TOKEN, or x-bd-authorization: TOKEN --> None, or the refusal

Several tokens are valid at the same time, so that clients can change to a new one by one. All
tokens are compared, each in constant time, so that the response time does not help to guess one.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from otlp2parquet_ext.functions.ingest.responses import IngestResponse, refusal
from otlp2parquet_ext.functions.ingest.routes import wants_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.functions.ingest.events import IngestRequest

SCHEME = "bearer"
HEADER = "x-bd-authorization"
"""Header of the token from data-taps clients; `Authorization` stays free for a signature of IAM."""


class SecretError(Exception):
    """The tokens cannot be fetched; the message names the permission that may be missing."""


def split_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a setting: a list separated by commas or white space."""
    return tuple(text.replace(",", " ").split())


class IngestTokens:
    """The valid tokens.

    Args:
        tokens: n >= 0 tokens; without a token no client may send.
    """

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._tokens = [token.encode() for token in tokens]

    def check(self, request: IngestRequest) -> IngestResponse | None:
        """Return None for a permitted client, else a refusal: 401 without a token, else 403."""
        json = wants_json(request)
        offered = list(_offered(request))
        if not offered:
            problem = "expected a token, as Authorization: Bearer TOKEN or x-bd-authorization"
            return refusal(401, problem, json=json, headers={"WWW-Authenticate": "Bearer"})
        matches = [
            hmac.compare_digest(one.encode("utf-8", "surrogatepass"), token)
            for one in offered
            for token in self._tokens
        ]
        return None if any(matches) else refusal(403, "the token is not valid", json=json)


def _offered(request: IngestRequest) -> Iterator[str]:
    """Yield the tokens in a request: at most one in each header."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == SCHEME and token.strip():
        yield token.strip()
    text = request.headers.get(HEADER, "").strip()
    first, _, rest = text.partition(" ")
    if text:
        yield rest.strip() if first.lower() == SCHEME else text
