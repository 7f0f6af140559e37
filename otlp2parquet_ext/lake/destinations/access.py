"""Access to buckets and AWS services: the credentials, the region and the endpoint to use.

    options of the URL, else AWS's own variables --> a client for a service, a storage

The variables and their precedence are those of AWS's SDKs: `AWS_REGION`, `AWS_ENDPOINT_URL_S3`,
`AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`.

Source: AWS SDKs and Tools reference guide, "Service-specific endpoints".
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.aws import AwsClient
    from otlp2parquet_ext.lake.http.client import Client, RequestObserver
    from otlp2parquet_ext.lake.http.credentials import Identity
    from otlp2parquet_ext.lake.storage.storage import Storage

LIMIT_MS = 10_000
"""Longest time for one operation on a bucket, retries included. After it the operation fails, and
the caller keeps the batch for a later try."""


VENDED = "the token that the catalog vends for S3"
"""Name in messages of the secret that requests carry to a catalog's `s3.endpoint`."""


class Access:
    """Makes clients and storages for one destination.

    Args:
        environ: environment variables of the process.
        options: options of the destination's URL: `region`, `endpoint`, `path-style`.
        service: the service that the option `endpoint` belongs to: `s3`, `glue`, `s3tables`.
        limit_ms: longest time for one operation on a bucket, retries included.
        origin: an `Access` whose connections and credentials this one shares; None for its own.
        watch: receives a report of each HTTP request.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        options: Mapping[str, str],
        service: str = "s3",
        limit_ms: int = LIMIT_MS,
        origin: Access | None = None,
        *,
        watch: RequestObserver | None = None,
    ) -> None:
        self._environ = environ
        self._options = options
        self._service = service
        self._limit_ms = limit_ms
        self._origin = origin
        self._watch = watch

    @cached_property
    def client(self) -> Client:
        """The HTTP client of all requests of a destination, so that they share connections."""
        if self._origin is not None:
            return self._origin.client
        # Imported here because a destination on disk needs no HTTP client.
        from otlp2parquet_ext.lake.http.client import new_client  # noqa: PLC0415

        return new_client(self._environ, self._watch)

    @cached_property
    def credentials(self) -> Identity:
        """The credentials that sign requests to AWS."""
        if self._origin is not None:
            return self._origin.credentials
        from otlp2parquet_ext.lake.http.credentials import CredentialSource  # noqa: PLC0415

        return CredentialSource(self._environ, self.client)

    @property
    def region(self) -> str:
        """The region of each service and bucket without a region of its own."""
        told = self._options.get("region") or self._environ.get("AWS_REGION")
        return told or self._environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    def having(self, options: Mapping[str, str], service: str = "s3") -> Access:
        """Return the access to another address; connections and credentials are shared."""
        return Access(self._environ, options, service, self._limit_ms, self)

    def at(self, region: str) -> Access:
        """Return the same access in another region."""
        return self.having({**self._options, "region": region}, self._service)

    def vended(self, config: Mapping[str, str], credentials: Identity) -> Access:
        """Return the access with a catalog's S3 settings and the credentials it vends."""
        said = {
            "region": config.get("s3.region") or config.get("client.region"),
            "endpoint": config.get("s3.endpoint"),
            "path-style": config.get("s3.path-style-access"),
        }
        options = {name: value for name, value in said.items() if value}
        other = self.having({**options, **self._options}, self._service)
        if "endpoint" not in self._options:  # the URL's endpoint has precedence
            self.client.warn_of_clear_text(options.get("endpoint", ""), VENDED)
        other.__dict__["credentials"] = credentials  # replaces the `cached_property`
        return other

    def endpoint(self, service: str) -> str:
        """Return the configured endpoint of a service, "" for AWS's own."""
        if service == self._service and "endpoint" in self._options:
            return self._options["endpoint"].rstrip("/")
        own = self._environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        return (own or self._environ.get("AWS_ENDPOINT_URL", "")).rstrip("/")

    def aws(self, service: str, region: str = "") -> AwsClient:
        """Return a client for one service."""
        from otlp2parquet_ext.lake.http.aws import AwsClient  # noqa: PLC0415

        return AwsClient(
            self.client, self.credentials, region=region or self.region, service=service
        )

    def storage(self, address: str) -> Storage:
        """Return the storage below an address: `s3://bucket/prefix`, `file:///path` or `/path`."""
        url = urlsplit(address)
        if url.scheme.startswith("s3"):
            return self._s3(f"{url.netloc}{url.path}".rstrip("/"))
        from otlp2parquet_ext.lake.storage.local import LocalStorage  # noqa: PLC0415

        return LocalStorage(Path(url.path))

    def everything_like(self, address: str) -> Storage:
        """Return a storage for all addresses of the same kind; its paths are absolute."""
        return self.storage("s3://" if address.startswith("s3") else "/")

    def _s3(self, root: str) -> Storage:
        from otlp2parquet_ext.lake.storage.s3 import S3Storage  # noqa: PLC0415

        path_style = self._options.get("path-style")
        return S3Storage(
            self.aws("s3"),
            root,
            endpoint=self.endpoint("s3"),
            path_style=None if path_style is None else path_style == "true",
            limit_ms=self._limit_ms,
        )
