"""The meaning of a catalog's error response. Pure.

    Response --failure()--> CatalogFailure --outcome()--> CatalogOutcome

After a refusal, the writer deletes the files of its commit. So only a certain refusal counts as
one. Any other error is `UNKNOWN`, and the next attempt finds out.

Source: Apache Iceberg REST catalog, OpenAPI specification, "updateTable"; AWS Glue web API
reference, "Common Errors", "UpdateTable".
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.errors import error_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.response import Response

DONE = frozenset({200, 201, 204})
"""Statuses of success. Any other status, even 202, is a `CatalogFailure` of unknown outcome."""


class CatalogOutcome(Enum):
    """The outcome of a refused request."""

    CONFLICT = "the table is not as it was, or exists already"
    UNKNOWN = "it may have been done"
    ABSENT = "there is no such table, namespace or warehouse"
    DENIED = "the credentials lack the permission"
    UNIDENTIFIED = "the credentials are missing, wrong, or expired"
    THROTTLED = "too many requests; it was not done"
    REFUSED = "it was not done"


class CatalogFailure(msgspec.Struct, frozen=True):
    """The content of an error response.

    Attributes:
        status: the HTTP status.
        type: the error's type or code, as the catalog or AWS names it; "" without one.
        message: the error's message, or the beginning of the body.
    """

    status: int
    type: str
    message: str

    def __str__(self) -> str:
        """Return the failure in one line."""
        return f"HTTP {self.status} {self.type}".rstrip() + f": {self.message or 'no reason given'}"


def failure(answer: Response) -> CatalogFailure:
    """Parse an error response, in the form of Iceberg's specification or in one of AWS's."""
    type_, message = error_of(answer)
    return CatalogFailure(answer.status, type_, quote(message))


WORDS: Mapping[CatalogOutcome, str] = {
    CatalogOutcome.CONFLICT: (
        "AlreadyExistsException CommitFailedException ConcurrentModificationException"
    ),
    CatalogOutcome.ABSENT: "EntityNotFoundException NoSuchNamespaceException NoSuchTableException",
    CatalogOutcome.DENIED: "AccessDenied AccessDeniedException",
    CatalogOutcome.UNIDENTIFIED: (
        "ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException "
        "InvalidAccessKeyId InvalidClientTokenId InvalidSignatureException "
        "MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired "
        "RequestTimeTooSkewed SignatureDoesNotMatch UnrecognizedClientException"
    ),
    CatalogOutcome.THROTTLED: (
        "RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown Throttling "
        "ThrottledException ThrottlingException TooManyRequestsException"
    ),
    CatalogOutcome.UNKNOWN: (
        "CommitStateUnknownException InternalServiceException OperationTimeoutException"
    ),
}
BY_TYPE = {word: outcome for outcome, words in WORDS.items() for word in words.split()}
BY_STATUS = {
    401: CatalogOutcome.UNIDENTIFIED,
    403: CatalogOutcome.DENIED,
    404: CatalogOutcome.ABSENT,
    408: CatalogOutcome.UNKNOWN,
    409: CatalogOutcome.CONFLICT,
    419: CatalogOutcome.UNIDENTIFIED,
    429: CatalogOutcome.THROTTLED,
}


def outcome(found: CatalogFailure) -> CatalogOutcome:
    """Return the meaning of an error response.

    AWS uses status 400 for many errors, so the type decides. From 500 on the outcome is unknown for
    any type. Below 400 the response does not come from the expected catalog.
    """
    if found.status >= 500 or found.status < 400:
        return CatalogOutcome.UNKNOWN
    return BY_TYPE.get(found.type) or BY_STATUS.get(found.status, CatalogOutcome.REFUSED)
