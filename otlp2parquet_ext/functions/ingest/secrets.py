"""Tokens in Secrets Manager, or in a parameter of Systems Manager.

    OTLP2PARQUET_INGEST_TOKEN=arn:aws:secretsmanager:… --fetched with a request--> IngestTokens

They are fetched again after five minutes, so that a rotation needs no deployment. While the service
does not respond, the last fetched tokens stay valid.

Source: AWS Secrets Manager API reference, GetSecretValue; AWS Systems Manager API reference,
GetParameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import hide, log, quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.ingest.tokens import IngestTokens, SecretError, split_tokens
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.http.errors import UNREADABLE, error_of
from otlp2parquet_ext.lake.http.limits import DOCUMENT
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "OTLP2PARQUET_INGEST_TOKEN"
CACHE_MS = 300_000
LIMIT_MS = 5_000
ARN_PARTS = 6


class SecretService(NamedTuple):
    """A service for secrets: the name of its endpoint, and the form of its requests."""

    endpoint: str
    target: str
    key: str
    more: Mapping[str, object]
    action: str


SECRET_SERVICES: Mapping[str, SecretService] = {
    "secretsmanager": SecretService(
        "secrets_manager",
        "secretsmanager.GetSecretValue",
        "SecretId",
        {},
        "secretsmanager:GetSecretValue",
    ),
    "ssm": SecretService(
        "ssm", "AmazonSSM.GetParameter", "Name", {"WithDecryption": True}, "ssm:GetParameter"
    ),
}


class _Parameter(msgspec.Struct, rename="pascal"):
    value: str = ""


class _Found(msgspec.Struct, rename="pascal"):
    secret_string: str = ""
    parameter: _Parameter | None = None


_decode_found = msgspec.json.Decoder(_Found).decode


class Secret:
    """See the module.

    Args:
        arn: ARN of the secret or parameter. Its text is a list as in the variable, or a JSON
            object with such a list in `token`.
        environ: environment variables of the process: credentials, endpoints.
    """

    def __init__(self, arn: str, environ: Mapping[str, str]) -> None:
        self._arn = arn
        self._access = Access(environ, {})
        self._tokens: IngestTokens | None = None
        self._fetched_ms = 0

    def tokens(self, deadline_ms: int) -> IngestTokens:
        """Return the valid tokens.

        Args:
            deadline_ms: Unix ms; a fetch also has a limit of its own.

        Raises:
            SecretError: the tokens cannot be fetched, and were never fetched before.
        """
        deadline, now_ms = SteadyDeadline(deadline_ms), steady_ms()
        if self._tokens is None or now_ms - self._fetched_ms >= CACHE_MS:
            try:
                found = split_tokens(self._fetch(deadline.unix_ms(LIMIT_MS)))
            except SecretError as error:
                if self._tokens is None:
                    raise
                log("warning", f"{error}; the tokens fetched before stay valid")
            else:
                hide(found)
                self._tokens = IngestTokens(found)
            self._fetched_ms = now_ms
        return self._tokens

    def _fetch(self, deadline_ms: int) -> str:
        parts = self._arn.split(":", ARN_PARTS - 1)
        found = SECRET_SERVICES.get(parts[2]) if len(parts) == ARN_PARTS else None
        if found is None:
            raise SecretError(
                f"{VARIABLE}: expected tokens, or the ARN of a secret of Secrets Manager or of a "
                "parameter of Systems Manager"
            )
        _, partition, service, region, *_ = parts
        domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        url = self._access.endpoint(found.endpoint) or f"https://{service}.{region}.{domain}"
        try:
            response = self._access.aws(service, region).request(
                "POST",
                f"{url}/",
                headers={
                    "content-type": "application/x-amz-json-1.1",
                    "x-amz-target": found.target,
                },
                body=msgspec.json.encode({found.key: self._arn, **found.more}),
                deadline_ms=deadline_ms,
                limit=DOCUMENT,
            )
        except WebError as error:
            raise SecretError(f"{VARIABLE}: the tokens cannot be fetched: {error}") from error
        if response.status != 200:
            said = " ".join(error_of(response))
            raise SecretError(
                f"{VARIABLE}: the tokens cannot be fetched: HTTP {response.status} {said}; the "
                f"role needs {found.action} on the ARN, and the use of its KMS key"
            )
        return _text(response.body)


def _text(body: bytes) -> str:
    """Return the text of a secret; "" without a text, which permits no client."""
    try:
        found = _decode_found(body)
    except UNREADABLE as error:
        raise SecretError(f"{VARIABLE}: the answer is not a secret's: {quote(error)}") from error
    text = found.parameter.value if found.parameter else found.secret_string
    try:
        document = msgspec.json.decode(text)
    except UNREADABLE:
        return text
    return str(document.get("token", "")) if isinstance(document, dict) else text
