"""Our own S3 storage, configured by PyIceberg's properties.

    s3.endpoint, s3.region, s3.access-key-id, …, else AWS's own variables --> S3Storage

This module does not import PyIceberg, so that files of a `catalog://` table can be stored without
it.

Source: PyIceberg's documentation, "FileIO", "S3"; Apache Iceberg REST catalog specification,
"LoadTableResult", "AWS Configurations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.storage.s3 import S3Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.client import Client

NOT_OURS = frozenset(
    {
        "s3.role-arn",
        "client.role-arn",
        "s3.profile-name",
        "client.profile-name",
        "s3.signer",
        "s3.proxy-uri",
        "s3.anonymous",
        "s3.server-side-encryption",
        "s3.sse-kms-key-id",
        "s3.retry-strategy-impl",
    }
)
"""Properties that only PyIceberg's own file access supports."""


def reachable(properties: Mapping[str, Any]) -> bool:
    """Return whether our S3 storage supports all these properties."""
    return not any(properties.get(name) for name in NOT_OURS)


def s3_storage(
    properties: Mapping[str, Any], environ: Mapping[str, str], client: Client, root: str = ""
) -> S3Storage:
    """Return a storage.

    Args:
        properties: properties of the catalog, or of a loaded table.
        environ: environment variables for all settings that the properties leave open.
        client: sends the requests; may be shared.
        root: `bucket/prefix`; "" for all buckets.
    """

    def option(name: str, *variables: str) -> str:
        found = properties.get(f"s3.{name}") or properties.get(f"client.{name}")
        return str(found or next((environ[v] for v in variables if environ.get(v)), ""))

    vended = {
        "AWS_ACCESS_KEY_ID": option("access-key-id"),
        "AWS_SECRET_ACCESS_KEY": option("secret-access-key"),
        "AWS_SESSION_TOKEN": option("session-token"),
    }
    credentials = CredentialSource(vended if vended["AWS_ACCESS_KEY_ID"] else environ, client)
    region = option("region", "AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    return S3Storage(
        AwsClient(client, credentials, region=region, service="s3"),
        root,
        endpoint=option("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL").rstrip("/"),
        path_style=_path_style(properties),
    )


def _path_style(properties: Mapping[str, Any]) -> bool | None:
    """Return the addressing style from Java's property or PyIceberg's; None for the usual one."""
    if str(properties.get("s3.path-style-access", "")).lower() == "true":
        return True
    if str(properties.get("s3.force-virtual-addressing", "")).lower() == "true":
        return False
    return None
