"""A URL, taken apart once: where to connect, what to ask for.

URLs are given as they go over the wire: the caller has percent-encoded them, because only the
caller knows names from separators. `encoded` does that for names and queries as AWS's signatures
want it.
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
# Anything else would have to be encoded first, or would end the request's first line early.
WIRE = re.compile(r"[!-~]+")


class HttpOrigin(NamedTuple):
    """What a connection belongs to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return what the Host header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class HttpAddress(NamedTuple):
    """A URL without its fragment; `path` is never empty, `query` has no question mark."""

    origin: HttpOrigin
    path: str
    query: str

    @property
    def target(self) -> str:
        """Return what the request's first line says."""
        return f"{self.path}?{self.query}" if self.query else self.path


def split(url: str) -> HttpAddress:
    """Take a URL apart.

    Raises:
        WebError: it is none of `http` or `https`, or not percent-encoded.
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
    """Tell whether what is sent to a URL can be read on the way: no TLS, and not this machine.

    Raises:
        WebError: it is malformed.
    """
    origin = split(url).origin
    return origin.scheme == "http" and not LOOPBACK.fullmatch(origin.host)


def same_family(theirs: str, ours: str) -> bool:
    """Tell whether a server may move us from our URL to theirs, with our token.

    It may to another path or port of its host, to a host below it, and from http to https.

    Raises:
        WebError: one is malformed.
    """
    there, here = split(theirs).origin, split(ours).origin
    plainer = (here.scheme, there.scheme) == ("https", "http")
    return not plainer and (there.host == here.host or there.host.endswith(f".{here.host}"))


def encoded(text: str, *, safe: str = "") -> str:
    """Percent-encode all but letters, digits, `-._~` and `safe`.

    Source: AWS Signature Version 4, "Create a canonical request", UriEncode().
    """
    return quote(text, safe=safe)


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a query without its question mark; no pairs give an empty one."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)
