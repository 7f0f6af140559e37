"""The address of an object in S3: bucket, key, and the URL for requests. Pure.

    virtual-hosted  https://BUCKET.s3.REGION.amazonaws.com/KEY     AWS
    path style      https://HOST/BUCKET/KEY                        other servers

Source: Amazon S3 user guide, "Virtual hosting of general purpose buckets".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otlp2parquet_ext.lake.http.address import encoded, query

SCHEMES = ("s3://", "s3a://", "s3n://")
DOMAINS = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
# The suffix of the generated bucket names behind S3 Tables, in the location of each table there.
TABLE_BUCKET = "--table-s3"
# Bucket names that a certificate for *.s3.REGION.amazonaws.com covers: one DNS label, no dots.
DNS_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class S3Location(NamedTuple):
    """The bucket and key of an object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        """Return the address as query engines write it: `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


class S3Service(NamedTuple):
    """S3 in one region, or another server with its API.

    Attributes:
        region: the region's name in signatures.
        endpoint: `http[s]://host[:port][/path]` of another server than AWS's; "" for AWS.
        path_style: put the bucket into the path; None chooses by server and bucket name.
    """

    region: str
    endpoint: str = ""
    path_style: bool | None = None

    def url(self, place: S3Location, pairs: tuple[tuple[str, str], ...] = ()) -> str:
        """Return the URL of an object, or of a bucket if the key is empty."""
        base = self.endpoint.rstrip("/") or f"https://s3.{self.region}.{self._domain()}"
        if self._in_path(place.bucket):
            base = f"{base}/{encoded(place.bucket)}"
        else:
            base = base.replace("://", f"://{place.bucket}.", 1)
        key = encoded(place.key, safe="/")
        return f"{base}/{key}?{query(pairs)}" if pairs else f"{base}/{key}"

    def _in_path(self, bucket: str) -> bool:
        if self.path_style is not None:
            return self.path_style
        return bool(self.endpoint) or not DNS_LABEL.fullmatch(bucket)

    def _domain(self) -> str:
        return next((d for p, d in DOMAINS.items() if self.region.startswith(p)), "amazonaws.com")

    def arn(self, place: S3Location) -> str:
        """Return the ARN of an object, or of a bucket if the key is empty, for policies."""
        found = (p for r, p in PARTITIONS.items() if self.region.startswith(r))
        return f"arn:{next(found, 'aws')}:s3:::{place.bucket}{'/' if place.key else ''}{place.key}"


def full_path(url: str) -> str | None:
    """Return `bucket/key` of an S3 address; None for any other address."""
    scheme = next((s for s in SCHEMES if url.startswith(s)), None)
    return url.removeprefix(scheme) if scheme else None
