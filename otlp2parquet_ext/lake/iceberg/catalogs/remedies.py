"""The permission or setting to change when a catalog refuses a request. Pure.

Source: AWS service authorization reference, "Amazon S3 Tables", "AWS Glue"; Amazon S3 user guide,
"Amazon S3 Tables Iceberg REST endpoint"; AWS Glue developer guide, "AWS Glue REST APIs".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import CatalogOutcome, outcome
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.iceberg.catalogs.outcomes import CatalogFailure


ACTION = re.compile(r"[a-z0-9]+:[A-Za-z]+")


class Operation(Enum):
    """A request to a catalog, by its name in messages."""

    CONFIG = "the catalog's configuration"
    LOAD = "loading the table"
    NAMESPACE = "creating the namespace"
    CREATE = "creating the table"
    COMMIT = "the commit"


S3_TABLES: Mapping[Operation, str] = {
    Operation.CONFIG: "s3tables:GetTableBucket",
    Operation.LOAD: "s3tables:GetTableMetadataLocation and s3tables:GetTableData",
    Operation.NAMESPACE: "s3tables:CreateNamespace",
    Operation.CREATE: "s3tables:CreateTable and s3tables:PutTableData",
    Operation.COMMIT: (
        "s3tables:UpdateTableMetadataLocation, s3tables:GetTableMetadataLocation, "
        "s3tables:GetTableData and s3tables:PutTableData"
    ),
}
GLUE: Mapping[Operation, str] = {
    Operation.CONFIG: "glue:GetCatalog",
    Operation.LOAD: "glue:GetTable",
    Operation.NAMESPACE: "glue:CreateDatabase",
    Operation.CREATE: "glue:CreateTable",
    Operation.COMMIT: "glue:UpdateTable",
}


ABSENT: Mapping[Operation, str] = {
    Operation.CONFIG: "the warehouse, or the catalog's address, is wrong",
    Operation.LOAD: "there is no such table",
    Operation.NAMESPACE: "the catalog has no such place",
    Operation.CREATE: "the namespace was removed as soon as it was created",
    Operation.COMMIT: "the table was dropped or renamed",
}


class Remedies(msgspec.Struct, frozen=True):
    """The remedies for refusals of one catalog.

    Attributes:
        actions: the IAM actions of each operation; empty for a catalog outside of AWS.
        resource: the resource on which they must be allowed.
        identity: a sentence about the source of our credentials.
    """

    actions: Mapping[Operation, str]
    resource: str
    identity: str

    def refusal(self, operation: Operation, found: CatalogFailure) -> CommitError:
        """Return the error for a refused operation: the catalog's message, and the remedy."""
        said = (str(found), self._advice(operation, outcome(found)))
        error = CommitError(
            f"{operation.value} was refused with {'; '.join(part for part in said if part)}"
        )
        if outcome(found) is CatalogOutcome.DENIED:
            error.lacks = tuple(ACTION.findall(self.actions.get(operation, "")))
        return error

    def _advice(self, operation: Operation, what: CatalogOutcome) -> str:
        """Return the remedy; "" without one."""
        if what is CatalogOutcome.ABSENT:
            return ABSENT[operation]
        if what is CatalogOutcome.UNIDENTIFIED:
            return self.identity
        if what is CatalogOutcome.THROTTLED:
            return "with OTLP2PARQUET_COMMIT=inbox one committer asks, not every environment"
        if what is not CatalogOutcome.DENIED:
            return ""
        if not self.actions:
            return f"it has to allow {operation.value} on {self.resource}"
        return f"the function's role needs {self.actions[operation]} on {self.resource}"


AWS_IDENTITY = (
    "the credentials are those of the function's role: expired, of a clock that is wrong, or not "
    "for this region"
)
NO_IDENTITY = (
    "set OTLP2PARQUET_REST_TOKEN or OTLP2PARQUET_REST_CREDENTIAL, or sign requests with "
    "signing-name in the destination's URL"
)
TOKEN_IDENTITY = "OTLP2PARQUET_REST_TOKEN is wrong, or has expired"  # noqa: S105 - a sentence
CREDENTIAL_IDENTITY = "OTLP2PARQUET_REST_CREDENTIAL is wrong, or its token has expired"


def s3_tables(bucket_arn: str) -> Remedies:
    """Return the remedies of a table bucket."""
    return Remedies(S3_TABLES, f"{bucket_arn} and {bucket_arn}/table/*", AWS_IDENTITY)


def glue(database: str, table: str, region: str = "*") -> Remedies:
    """Return the remedies of a table in Glue, for Glue's own API and its REST endpoint."""
    arn = f"arn:aws:glue:{region}:*"
    resource = f"{arn}:catalog, {arn}:database/{database} and {arn}:table/{database}/{table}"
    return Remedies(GLUE, f"{resource} (and the same in Lake Formation, if it is on)", AWS_IDENTITY)


def other(label: str, identity: str) -> Remedies:
    """Return the remedies of any other REST catalog.

    Args:
        label: the table's name.
        identity: one of the sentences above about credentials.
    """
    return Remedies({}, label, identity)
