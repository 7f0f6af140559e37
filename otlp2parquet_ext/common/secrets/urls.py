"""URLs as they may be shown: what is not known to be harmless is left out.

    https://user:password@host/hook/T0?sig=x --shown--> https://host
    s3://bucket/prefix?region=eu-west-1      --shown--> the same

Paths and options of addresses on the web are credentials as often as not: a webhook's, a
presigned request's, a function's `code`. The options of our own destinations are not.
"""

from __future__ import annotations

import re

from otlp2parquet_ext.common.secrets.url_options import HARMLESS

WITH_PATHS = frozenset({
    "arn", "catalog", "file", "glue", "gs", "hdfs", "rest+http", "rest+https", "s3", "s3a",
    "sqlite",
})  # fmt: skip
"""Schemes whose paths are names of buckets, tables, folders and catalogs."""

UNKNOWN = "***"
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{0,5})?")
_AUTHORITY = re.compile(r"[^/?#\\]*")
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2}[^\s\"'<>`]+")
_OPTION = re.compile(r"([?&])([A-Za-z0-9_.%~-]+)=([^\s&;\"'<>`]+)")
_SENTENCE_ENDS = ".,:;!?)]}"


def shown(url: str, *, web_paths: bool = False) -> str:
    """Return a URL as it may be quoted: whole where it is harmless, else its scheme and host.

    Whatever it is: who mistypes a URL may have mistyped one with a password.

    Args:
        url: any text.
        web_paths: show also the paths of other schemes than our destinations'.
    """
    scheme, colon, rest = url.partition(":")
    if not rest.startswith("//"):
        return _without_host(url)
    authority = _AUTHORITY.match(rest, 2)
    assert authority  # it may be empty
    host = authority[0].rpartition("@")[2]
    tail = rest[authority.end() :]
    if "@" in tail or (host and not _HOST.fullmatch(host)):
        return f"{scheme}://{UNKNOWN}"  # where the host begins is open
    path, _, query = tail.partition("?")
    with_path = web_paths or scheme.lower() in WITH_PATHS
    bare = authority[0] == host and "#" not in tail and (with_path or not tail.strip("/"))
    if not bare or not _harmless(query):
        return f"{scheme}://{host}"
    return f"{scheme}{colon}//{host}{path}{'?' if query else ''}{_options(query)}"


def _without_host(url: str) -> str:
    """Return a text without `//`: an ARN, or something mistyped."""
    place, mark, query = url.partition("?")
    if "@" in url or "#" in url:
        return UNKNOWN
    return url if _harmless(query) else f"{place}{mark}{UNKNOWN}"


def _harmless(query: str) -> bool:
    return not query or all(pair.partition("=")[0] in HARMLESS for pair in query.split("&"))


def _options(query: str) -> str:
    """Return harmless options; a value that is a URL may have options of its own."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        name + equals + (shown(value, web_paths=True) if ":" in value else value)
        for name, equals, value in pairs
    )


def shown_in(text: str, *, web_paths: bool) -> str:
    """Return a text in which each URL is as it may be shown, and no option stands alone.

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
