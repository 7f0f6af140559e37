"""The remedy for a failure, if its message does not name it already. Pure.

Source: AWS Lambda developer guide, "Giving Lambda functions access to resources in a VPC"; AWS KMS
developer guide, "Troubleshooting key access"; Lake Formation developer guide, "Lake Formation
permissions reference".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.http.credentials import CredentialsError
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Iterator


class CheckError(Exception):
    """A failure whose trial knows the remedy.

    Args:
        message: the problem.
        remedy: the remedy.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Cause(Enum):
    """The kind of a failure; it decides which trials are skipped."""

    SILENT = "nothing answered"
    ANONYMOUS = "there are no credentials"
    REFUSED = "something answered"


KMS = re.compile(r"kms:[A-Z]\w+|\bKMS\.|AWS KMS")
KEY = re.compile(r"arn:aws[a-z-]*:kms:[^\s\"',)]+")
LAKE_FORMATION = re.compile(r"Lake Formation permission|lakeformation:")
ADD = (
    "add to the role's policy, in the place of a statement with the same Sid (docs/iam.md has the "
    "whole policy):"
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its chain of causes."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def cause_of(error: BaseException) -> Cause:
    """Return the kind of a failure."""
    for one in causes(error):
        if isinstance(one, CredentialsError):
            return Cause.ANONYMOUS
        if isinstance(one, WebError):
            return Cause.SILENT
    return Cause.REFUSED


def lacking(error: BaseException) -> tuple[str, ...]:
    """Return the IAM actions of which the role lacks one."""
    found: tuple[str, ...] = ()
    for one in causes(error):
        found = found or getattr(one, "lacks", ())
    return found


def remedy(error: BaseException, cause: Cause, lacks: tuple[str, ...]) -> str:
    """Return a sentence with the remedy; "" if the error's message names it.

    Args:
        error: error of a trial.
        cause: kind of the failure.
        lacks: the refused actions.
    """
    if isinstance(error, CheckError):
        return error.remedy
    text = str(error)
    if cause is Cause.SILENT:
        return (
            "a function in a VPC reaches AWS through an endpoint of the service (for S3 a gateway "
            "endpoint is free) or a NAT gateway, and its security group has to let it out on port "
            "443; elsewhere look at the region and at endpoint= or AWS_ENDPOINT_URL"
        )
    if LAKE_FORMATION.search(text) and lacks:
        return (
            "Lake Formation governs the database: grant the role DESCRIBE, ALTER and INSERT on its "
            "tables, CREATE_TABLE on it, and DATA_LOCATION_ACCESS on the warehouse"
        )
    if KMS.search(text):
        key = KEY.search(text)
        named = key[0] if key else "the bucket's key"
        return f"allow the role kms:GenerateDataKey and kms:Decrypt on {named}"
    return ADD if lacks else ""
