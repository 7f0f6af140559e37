"""A URL, taken apart once: where to connect, what to ask for.

URLs are given as they go over the wire: percent-encoded by whoever knows what is a name and what
is a separator. `encoded` does that for names and queries as AWS's signatures want it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from otlp2parquet_ext.urls import shown
from otlp2parquet_ext.web import WebError

if TYPE_CHECKING:
    from collections.abc import Iterable

PORTS = {"http": 80, "https": 443}
# Anything else would have to be encoded first, or would end the request's first line early.
WIRE = re.compile(r"[!-~]+")


class Origin(NamedTuple):
    """What a connection belongs to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return what the Host header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Address(NamedTuple):
    """A URL without its fragment; `path` is never empty, `query` has no question mark."""

    origin: Origin
    path: str
    query: str

    @property
    def target(self) -> str:
        """Return what the request's first line says."""
        return f"{self.path}?{self.query}" if self.query else self.path


def split(url: str) -> Address:
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
    return Address(Origin(parts.scheme, parts.hostname, port), parts.path or "/", parts.query)


def _malformed(url: str) -> WebError:
    return WebError(
        f"{shown(url)!r}: expected http[s]://host[:port]/path?query, percent-encoded, without a "
        "user name",
        sent=False,
    )


def encoded(text: str, *, safe: str = "") -> str:
    """Percent-encode all but letters, digits, `-._~` and `safe`.

    Source: AWS Signature Version 4, "Create a canonical request", UriEncode().
    """
    return quote(text, safe=safe)


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a query without its question mark; no pairs give an empty one."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)
