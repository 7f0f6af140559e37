"""Where S3 keeps an object: bucket and key, and the URL that reaches them. Pure.

    virtual-hosted  https://BUCKET.s3.REGION.amazonaws.com/KEY     AWS
    path style      https://HOST/BUCKET/KEY                        everybody else

Source: Amazon S3 user guide, "Virtual hosting of general purpose buckets".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otlp2parquet_ext.lake.http.address import encoded, query

SCHEMES = ("s3://", "s3a://", "s3n://")
DOMAINS = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
# The buckets behind S3 Tables: an address every table there has, and nobody ever typed.
TABLE_BUCKET = "--table-s3"
# What a certificate for *.s3.REGION.amazonaws.com covers: no dots, and a DNS label.
DNS_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class S3Location(NamedTuple):
    """One object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        """Return its address as engines write it."""
        return f"s3://{self.bucket}/{self.key}"


class S3Service(NamedTuple):
    """S3 in one region, or something that speaks like it.

    Attributes:
        region: as signatures name it.
        endpoint: `http[s]://host[:port][/path]` in the place of AWS's own; "" for AWS.
        path_style: None chooses by what is known.
    """

    region: str
    endpoint: str = ""
    path_style: bool | None = None

    def url(self, place: S3Location, pairs: tuple[tuple[str, str], ...] = ()) -> str:
        """Return the URL of an object, or of a bucket where the key is empty."""
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
        """Return what policies call an object, or a bucket where the key is empty."""
        found = (p for r, p in PARTITIONS.items() if self.region.startswith(r))
        return f"arn:{next(found, 'aws')}:s3:::{place.bucket}{'/' if place.key else ''}{place.key}"


def full_path(url: str) -> str | None:
    """Return `bucket/key` of an address; None when it is not one of S3."""
    scheme = next((s for s in SCHEMES if url.startswith(s)), None)
    return url.removeprefix(scheme) if scheme else None
