"""Replaces the package `certifi`; returns the layer's certificates."""

from pathlib import Path
from typing import Final

BUNDLE: Final = "/opt/otlp2parquet/etc/cert.pem"


def where() -> str:
    """Return the path of the bundle."""
    return BUNDLE


def contents() -> str:
    """Return the bundle's text."""
    return Path(BUNDLE).read_text(encoding="ascii")
