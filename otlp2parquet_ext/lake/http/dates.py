"""Parse the time formats of HTTP headers and of JSON documents."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Fri, 20 Nov 2026 22:21:56 GMT. Not parsed with strptime, which depends on the locale.
HTTP_DATE = re.compile(
    rf"\w{{3}}, (\d{{2}}) ({'|'.join(MONTHS)}) (\d{{4}}) (\d{{2}}):(\d{{2}}):(\d{{2}}) GMT"
)


def http_date_ms(text: str) -> int | None:
    """Return the Unix milliseconds of a Date or Last-Modified header; None if it is no date.

    Source: RFC 9110 section 5.6.7, IMF-fixdate, the only format that senders may use.
    """
    if not (found := HTTP_DATE.fullmatch(text.strip())):
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        date = datetime(
            int(year),
            MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),  # a leap second
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(date.timestamp()) * 1_000


def iso_date_ms(text: str) -> int | None:
    """Return the Unix milliseconds of `2026-11-20T22:21:56.000Z`; None if it is no date."""
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round(date.timestamp() * 1_000)
