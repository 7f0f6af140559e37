"""Finds the secrets in URLs, so that they can be masked wherever else they occur. Pure.

    https://user:password@host/hook/T00000000?sig=x --> user:password, password, T00000000, x

A message before the first `next` may need it, so it does not import `re`.
"""

from __future__ import annotations

HARMLESS = frozenset({
    "catalog-id", "endpoint", "oauth2-server-uri", "path-style", "region", "scope",
    "signing-name", "signing-region", "vended", "warehouse",
})  # fmt: skip
"""Options of destinations that hold no secret; `destinations.address` accepts no other."""

LONG = 16
"""Fewest characters of a path's part that may be a secret; with a digit in it, half as many."""


def secrets_of(text: str, *, paths: bool) -> list[str]:
    """Return the secrets in a URL or a list of URLs.

    These are user names and passwords, fragments, and options that are not known to be harmless. Of
    paths on the web, they are the parts that look random.

    Args:
        text: the URLs.
        paths: search their paths, too.
    """
    who = text.partition("://")[2].partition("?")[0].rpartition("@")[0]
    found = [who, who.partition(":")[2]]
    for url in text.replace(",", " ").split():
        place, _, query = url.partition("?")
        pairs = (pair.partition("=") for pair in query.replace("#", "&").split("&"))
        found += (value or name for name, _, value in pairs if name not in HARMLESS)
        scheme, slashes, rest = place.partition("://")
        if paths and slashes and scheme.removeprefix("otlp+") in ("http", "https"):
            parts = rest.replace("#", "/").split("/")[1:]
            found += (part for part in parts if len(part) >= LONG or _has_digits(part))
    return [secret for secret in found if secret]


def _has_digits(part: str) -> bool:
    return len(part) >= LONG // 2 and any(char.isdigit() for char in part)
