"""What a catalog's answer over HTTP means, when it is no success. Pure.

    Response --failure()--> Failure --outcome()--> Outcome

Only a refusal that is certain counts as one, because the writer then deletes what it wrote for the
commit. All the rest is `UNKNOWN`, and looked up.

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
"""The statuses of success: anything else, 202 included, is a `CatalogFailure` to find out about."""


class CatalogOutcome(Enum):
    """What became of a request."""

    CONFLICT = "the table is not as it was, or exists already"
    UNKNOWN = "it may have been done"
    ABSENT = "there is no such table, namespace or warehouse"
    DENIED = "who we are may not do it"
    UNIDENTIFIED = "who we are is not accepted: no credentials, wrong ones, or expired"
    THROTTLED = "too many requests; it was not done"
    REFUSED = "it was not done"


class CatalogFailure(msgspec.Struct, frozen=True):
    """What an answer that is no success says.

    Attributes:
        status: of HTTP.
        type: the catalog's or AWS's word for the error; empty when there is none.
        message: its sentence, or the beginning of whatever came.
    """

    status: int
    type: str
    message: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"HTTP {self.status} {self.type}".rstrip() + f": {self.message or 'no reason given'}"


def failure(answer: Response) -> CatalogFailure:
    """Read the error in an answer, in the form of Iceberg's specification or in one of AWS's."""
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
    """Return what an answer that is no success means.

    AWS says many things with status 400, so that its word decides. From 500 on it is open what
    was done, whatever the word; below 400 something answered that is not the catalog we know.
    """
    if found.status >= 500 or found.status < 400:
        return CatalogOutcome.UNKNOWN
    return BY_TYPE.get(found.type) or BY_STATUS.get(found.status, CatalogOutcome.REFUSED)
