"""Stands in for the package `charset_normalizer`: what requests asks of it.

A catalog's answer is JSON, and JSON is UTF-8 unless it says otherwise; nothing is guessed.
"""

__version__ = "3.0.0"  # requests checks that it is one it knows


def detect(_content: bytes) -> dict[str, object]:
    """Return the encoding of bytes that came without one."""
    return {"encoding": "utf-8", "confidence": 1.0, "language": ""}
