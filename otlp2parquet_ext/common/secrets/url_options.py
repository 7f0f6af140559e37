"""What URLs hold that nobody may read, so that it can be hidden wherever else it stands. Pure.

    https://user:password@host/hook/T00000000?sig=x --> user:password, password, T00000000, x

Before the first `next` a message may need it, so that no `re` is used.
"""

from __future__ import annotations

HARMLESS = frozenset({
    "catalog-id", "endpoint", "oauth2-server-uri", "path-style", "region", "scope",
    "signing-name", "signing-region", "vended", "warehouse",
})  # fmt: skip
"""Options of destinations; see `destinations.address`, which takes no other."""

LONG = 16
"""Characters from which a part of a path may be a secret; half as many with a digit in it."""


def secrets_of(text: str, *, paths: bool) -> list[str]:
    """Return what a URL, or a list of them, holds that nobody may read.

    User names and passwords, options that are not known to be harmless, fragments; and from
    paths on the web each part that looks made by chance.

    Args:
        text: the URLs.
        paths: look at their paths, too.
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
