"""Reduces URLs to the parts that are known to be harmless.

    https://user:password@host/hook/T0?sig=x --shown--> https://host
    s3://bucket/prefix?region=eu-west-1      --shown--> the same

Paths and options of web addresses are often credentials: a webhook's path, a presigned request's
signature, a function's `code`. The options of our own destinations hold no credentials.
"""

from __future__ import annotations

import re

from otlp2parquet_ext.common.secrets.url_options import HARMLESS

WITH_PATHS = frozenset({
    "arn", "catalog", "file", "glue", "gs", "hdfs", "rest+http", "rest+https", "s3", "s3a",
    "sqlite",
})  # fmt: skip
"""Schemes whose paths may be shown: they name buckets, tables, folders and catalogs."""

UNKNOWN = "***"
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{0,5})?")
_AUTHORITY = re.compile(r"[^/?#\\]*")
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2}[^\s\"'<>`]+")
_OPTION = re.compile(r"([?&])([A-Za-z0-9_.%~-]+)=([^\s&;\"'<>`]+)")
_SENTENCE_ENDS = ".,:;!?)]}"


def shown(url: str, *, web_paths: bool = False) -> str:
    """Return a URL as it may be quoted: complete if it is harmless, else its scheme and host.

    A malformed URL is reduced, too, because it may contain a password.

    Args:
        url: any text.
        web_paths: also show the paths of other schemes than those of our destinations.
    """
    scheme, colon, rest = url.partition(":")
    if not rest.startswith("//"):
        return _without_host(url)
    authority = _AUTHORITY.match(rest, 2)
    assert authority  # a match; it may be empty
    host = authority[0].rpartition("@")[2]
    tail = rest[authority.end() :]
    if "@" in tail or (host and not _HOST.fullmatch(host)):
        return f"{scheme}://{UNKNOWN}"  # the beginning of the host is unclear
    path, _, query = tail.partition("?")
    with_path = web_paths or scheme.lower() in WITH_PATHS
    bare = authority[0] == host and "#" not in tail and (with_path or not tail.strip("/"))
    if not bare or not _harmless(query):
        return f"{scheme}://{host}"
    return f"{scheme}{colon}//{host}{path}{'?' if query else ''}{_options(query)}"


def _without_host(url: str) -> str:
    """Return a text without `//`, for example an ARN or a mistyped URL."""
    place, mark, query = url.partition("?")
    if "@" in url or "#" in url:
        return UNKNOWN
    return url if _harmless(query) else f"{place}{mark}{UNKNOWN}"


def _harmless(query: str) -> bool:
    return not query or all(pair.partition("=")[0] in HARMLESS for pair in query.split("&"))


def _options(query: str) -> str:
    """Return the harmless options; a value that is a URL may itself have options."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        name + equals + (shown(value, web_paths=True) if ":" in value else value)
        for name, equals, value in pairs
    )


def shown_in(text: str, *, web_paths: bool) -> str:
    """Return a text with only the harmless parts of its URLs, and with lone options masked.

    Args:
        text: of any origin.
        web_paths: see `shown`.
    """
    if "://" in text or ":\\/" in text:
        text = _IN_TEXT.sub(lambda match: _in_text(match[0], web_paths=web_paths), text)
    return _OPTION.sub(_option, text)


def _in_text(found: str, *, web_paths: bool) -> str:
    url = found.rstrip(_SENTENCE_ENDS)
    ending = found[len(url) :]
    return shown(url.replace("\\/", "/"), web_paths=web_paths) + ending


def _option(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    return f"{mark}{name}={value if name in HARMLESS else UNKNOWN}"
