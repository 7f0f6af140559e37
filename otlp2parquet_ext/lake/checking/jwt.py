"""The expiry of a token, if it is a JWT; only the server can verify the token. Pure.

Source: RFC 7519, sections 3 and 4.1.4.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

import msgspec

LATEST_S = 253_402_300_799
"""Latest valid expiry, Unix seconds: the end of the year 9999."""

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def expires_s(token: str) -> int | None:
    """Return a token's expiry in Unix seconds; None if it is no JWT, or has no expiry."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return None
    try:
        claims = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        return None
    return int(expires) if 0 <= expires <= LATEST_S else None


def day(unix_s: int) -> str:
    """Return Unix seconds as `2026-03-14 09:26 UTC`."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"


def span(seconds: int) -> str:
    """Return a length of time in its largest unit, rounded down: `5 hours`."""
    units = ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute"), (1, "second"))
    size, unit = next(((s, u) for s, u in units if seconds >= s), units[-1])
    number = seconds // size
    return f"{number} {unit}{'' if number == 1 else 's'}"
