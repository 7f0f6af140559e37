"""AWS Signature Version 4 for signatures in headers. Pure.

    request --canonical--> text --SHA-256--> text to sign --HMAC, derived key--> Authorization

For S3 the signature covers the path as sent. For all other services it covers the path normalised
and percent-encoded once more.

Source: AWS IAM user guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.lake.http.address import encoded, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.http.credentials import Credentials
    from otlp2parquet_ext.lake.http.response import BytesLike

ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies may change or add these headers, so they cannot be signed.
UNSIGNED = frozenset({
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
})  # fmt: skip


def sha256_hex(data: BytesLike) -> str:
    """Return a body's SHA-256 digest in hex, as signatures require."""
    return hashlib.sha256(data).hexdigest()


class SigningScope(NamedTuple):
    """The scope of a signature.

    Attributes:
        region: the endpoint's region, for example `eu-central-1`.
        service: the service's name in signatures, for example `s3`, `s3tables`, `glue`.
    """

    region: str
    service: str


def signed_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body_sha256: str,
    credentials: Credentials,
    *,
    scope: SigningScope,
    time_s: float,
) -> dict[str, str]:
    """Return a request's headers with a signature.

    Args:
        method: in capitals.
        url: percent-encoded, as it is sent.
        headers: the request's other headers; all except `UNSIGNED` are signed.
        body_sha256: `sha256_hex` of the body.
        credentials: the credentials that sign.
        scope: region and service.
        time_s: Unix seconds; the server refuses a time some minutes off its own clock.

    Returns:
        `headers` with X-Amz-Date, Authorization, X-Amz-Security-Token for temporary credentials,
        and X-Amz-Content-SHA256 for S3.

    Raises:
        WebError: `url` is malformed.
    """
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time_s))
    result = {n: v for n, v in headers.items() if n.lower() not in ("authorization", "x-amz-date")}
    result["X-Amz-Date"] = now
    if credentials.session_token:
        result["X-Amz-Security-Token"] = credentials.session_token
    if scope.service == "s3":
        result["X-Amz-Content-SHA256"] = body_sha256
    names, request = canonical(method, url, result, body_sha256, service=scope.service)
    place = f"{now[:8]}/{scope.region}/{scope.service}/aws4_request"
    signed = "\n".join([ALGORITHM, now, place, sha256_hex(request.encode())])
    signature = _hmac(_key(credentials.secret_access_key, place), signed).hex()
    result["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{place}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return result


def canonical(
    method: str, url: str, headers: Mapping[str, str], body_sha256: str, *, service: str
) -> tuple[str, str]:
    """Return the names of the signed headers, and the canonical request."""
    address = split(url)
    signed = {"host": address.origin.authority}
    for name, value in headers.items():
        if name.lower() not in UNSIGNED:
            signed[name.lower()] = " ".join(value.split())
    path = address.path if service == "s3" else encoded(_normal(address.path), safe="/")
    pairs = sorted(pair.partition("=")[::2] for pair in address.query.split("&") if pair)
    lines = [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
    lines += [f"{name}:{signed[name]}" for name in sorted(signed)]
    names = ";".join(sorted(signed))
    return names, "\n".join([*lines, "", names, body_sha256])


def _normal(path: str) -> str:
    """Resolve `.`, `..` and empty segments (RFC 3986 section 5.2.4); keep a trailing `/`."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return "/" + "/".join(segments) + end


def _key(secret: str, scope: str) -> bytes:
    """Derive the signing key for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
