"""The parts of a URL: the server to connect to, and the path and query to request.

Callers pass percent-encoded URLs, because only the caller can tell a separator from the same
character inside a name. `encoded` encodes names and queries as AWS's signatures require.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.http.response import WebError

if TYPE_CHECKING:
    from collections.abc import Iterable

PORTS = {"http": 80, "https": 443}
# Any other character needs encoding, or would end the request line early.
WIRE = re.compile(r"[!-~]+")


class HttpOrigin(NamedTuple):
    """The server of a connection: scheme, host and port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return the value of the Host header: the port only if it is not the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class HttpAddress(NamedTuple):
    """A URL without its fragment; `path` is never empty, `query` has no question mark."""

    origin: HttpOrigin
    path: str
    query: str

    @property
    def target(self) -> str:
        """Return the target of the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


def split(url: str) -> HttpAddress:
    """Parse a URL.

    Raises:
        WebError: the scheme is not `http` or `https`, or the URL is not percent-encoded.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _malformed(url) from None
    if not parts.hostname or parts.username is not None or not WIRE.fullmatch(url):
        raise _malformed(url)
    return HttpAddress(
        HttpOrigin(parts.scheme, parts.hostname, port), parts.path or "/", parts.query
    )


def _malformed(url: str) -> WebError:
    return WebError(
        f"{shown(url)!r}: expected http[s]://host[:port]/path?query, percent-encoded, without a "
        "user name",
        sent=False,
    )


LOOPBACK = re.compile(r"127(\.[0-9]+){3}|::1|localhost|.+\.localhost")


def in_the_clear(url: str) -> bool:
    """Return whether requests to a URL go unencrypted to another machine.

    Raises:
        WebError: the URL is malformed.
    """
    origin = split(url).origin
    return origin.scheme == "http" and not LOOPBACK.fullmatch(origin.host)


def same_family(theirs: str, ours: str) -> bool:
    """Return whether a server may redirect us, with our token, from `ours` to `theirs`.

    Allowed are another path or port on the same host, a subdomain of the host, and https instead of
    http.

    Raises:
        WebError: one of the URLs is malformed.
    """
    there, here = split(theirs).origin, split(ours).origin
    plainer = (here.scheme, there.scheme) == ("https", "http")
    return not plainer and (there.host == here.host or there.host.endswith(f".{here.host}"))


def encoded(text: str, *, safe: str = "") -> str:
    """Percent-encode all characters except letters, digits, `-._~` and `safe`.

    Source: AWS Signature Version 4, "Create a canonical request", UriEncode().
    """
    return quote(text, safe=safe)


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a query without its question mark; no pairs give an empty one."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)
