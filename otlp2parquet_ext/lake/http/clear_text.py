"""Secrets that would travel over plain http to another machine: one sentence says so."""

from __future__ import annotations

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.http.address import in_the_clear
from otlp2parquet_ext.lake.http.response import WebError


def clear_text(url: str, secret: str) -> str:
    """Return what is wrong with sending a secret to a URL; "" when it is encrypted on its way.

    Nobody is on the way to this machine itself. A malformed URL is reported when it is used.

    Args:
        url: where the secret goes.
        secret: names it, the variable that holds it for example; "" for none.
    """
    try:
        readable = bool(secret) and in_the_clear(url)
    except WebError:
        return ""
    return f"{shown(url)}: {secret} is sent in the clear: expected https" if readable else ""
