"""The signature that a REST catalog requires, with its URL and remedies. Pure.

    destination: arn:aws:s3tables:…   rest+https://…?warehouse=…&signing-name=…&signing-region=…

Source: Amazon S3 user guide, "Amazon S3 Tables Iceberg REST endpoint"; AWS Glue developer guide,
"AWS Glue Iceberg REST endpoint"; PyIceberg's documentation of `rest.signing-name`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from otlp2parquet_ext.lake.iceberg.catalogs import remedies
from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.catalogs.remedies import Remedies

BUCKET = re.compile(r"arn:(aws[a-z-]*):s3tables:([a-z0-9-]+):(\d{12}):bucket/([a-z0-9-]{3,63})")
HOST = re.compile(r"(s3tables|glue)\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")
S3_TABLES = "s3tables"
GLUE = "glue"


class Signing(NamedTuple):
    """The service name and region of a SigV4 signature."""

    service: str
    region: str


def signing(uri: str, warehouse: str, *, name: str = "", region: str = "") -> Signing | None:
    """Return the signature that a catalog requires; None if it requires none.

    Args:
        uri, warehouse: the catalog's URL and warehouse.
        name, region: the user's options `signing-name` and `signing-region`. Without the option,
            the region comes from the URL; if that has none, it is "".
    """
    bucket, host = BUCKET.fullmatch(warehouse), HOST.fullmatch(urlsplit(uri).hostname or "")
    service = name or (host[1] if host else "") or (S3_TABLES if bucket else "")
    if not service:
        return None
    return Signing(service, region or (host[2] if host else "") or (bucket[2] if bucket else ""))


def table_bucket(arn: str, namespace: str, table: str, endpoint: str = "") -> RestTable | None:
    """Return a table of S3 Tables; None if the ARN is not that of a table bucket.

    Args:
        arn: ARN of the table bucket.
        namespace, table: the table's name.
        endpoint: another endpoint than AWS's, with its scheme; `/iceberg` is appended.
    """
    found = BUCKET.fullmatch(arn)
    if found is None:
        return None
    domain = "amazonaws.com.cn" if found[1] == "aws-cn" else "amazonaws.com"
    base = endpoint.rstrip("/") or f"https://{S3_TABLES}.{found[2]}.{domain}"
    return RestTable(f"{base}/iceberg", arn, namespace, table, prefix=quote(arn, safe=""))


def remedies_for(wanted: RestTable, signed: Signing) -> Remedies:
    """Return the remedies for refusals of a catalog with signed requests."""
    if signed.service == S3_TABLES:
        return remedies.s3_tables(wanted.warehouse)
    if signed.service == GLUE:
        return remedies.glue(wanted.namespace, wanted.name, signed.region)
    return remedies.other(f"{wanted.namespace}.{wanted.name}", remedies.AWS_IDENTITY)
