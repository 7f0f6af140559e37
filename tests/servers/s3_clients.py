"""Our own S3 storage, pointed at a server of the tests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import versitygw

from otlp2parquet_ext.lake.http.aws import AwsClient
from otlp2parquet_ext.lake.http.client import Client
from otlp2parquet_ext.lake.http.credentials import CredentialSource
from otlp2parquet_ext.lake.storage.s3 import S3Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "lake"


def s3_at(
    url: str,
    root: str = BUCKET,
    environ: Mapping[str, str] = versitygw.CREDENTIALS,
    region: str = versitygw.REGION,
    *,
    limit_ms: int = 20_000,
) -> S3Storage:
    """Return a storage of a server."""
    return S3Storage(aws_at(environ, region), root, endpoint=url, limit_ms=limit_ms)


def aws_at(
    environ: Mapping[str, str] = versitygw.CREDENTIALS, region: str = versitygw.REGION
) -> AwsClient:
    """Return a client that signs for S3."""
    client = Client()
    source = CredentialSource(environ, client)
    return AwsClient(client, source, region=region, service="s3")


def make_bucket(url: str, aws: AwsClient, bucket: str = BUCKET) -> None:
    """Create a bucket."""
    made = aws.request("PUT", f"{url}/{bucket}", deadline_ms=soon())
    assert made.status == 200, made


def soon(after_ms: int = 20_000) -> int:
    """Return a deadline nothing here needs."""
    return round(time.time() * 1_000) + after_ms
