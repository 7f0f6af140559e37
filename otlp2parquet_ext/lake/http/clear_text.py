"""The warning about a secret that would go over plain http to another machine."""

from __future__ import annotations

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.http.address import in_the_clear
from otlp2parquet_ext.lake.http.response import WebError


def clear_text(url: str, secret: str) -> str:
    """Return a warning when a secret would go unencrypted to a URL, else "".

    A URL on this machine needs no encryption. A malformed URL gives "": its first use reports it.

    Args:
        url: the URL of the requests with the secret.
        secret: name of the secret, for example the variable that holds it; "" for none.
    """
    try:
        readable = bool(secret) and in_the_clear(url)
    except WebError:
        return ""
    return f"{shown(url)}: {secret} is sent in the clear: expected https" if readable else ""
