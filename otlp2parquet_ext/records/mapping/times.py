"""Parses times to Unix microseconds, as integers, because a float is not exact to the microsecond.

There are two formats: the platform's `2026-03-14T09:26:53.589Z`, parsed fast, and those of loggers,
parsed tolerantly: up to nine fraction digits after a point, comma or colon, any offset, `T`, `t` or
a space. A time without an offset is refused, because the function may use any time zone.
"""

from __future__ import annotations

import re
from datetime import date

SECOND_US = 1_000_000
NEAR_US = 300 * SECOND_US
"""Default largest difference from the event's time with which a record's own time is used.
Buffering loggers are seconds late; the time of an order, a device or a replayed event differs by
hours."""

LATEST_US = 9_214_646_400 * SECOND_US
"""Upper bound of times, 2262-01-01: beyond it, OTLP's nanoseconds do not fit into 64 bits."""

_LATEST_NS = LATEST_US * 1_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,:](\d{1,6})\d*)?"
    r"(?:[Zz]|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)
_ZONE = re.compile(r"[Zz]|[+-]\d\d:?\d\d", re.ASCII)
_POINTS = frozenset(".,:")
_MAX_HOUR, _MAX_MINUTE, _LEAP_SECOND = 23, 59, 60


def parse_time(text: str) -> int | None:
    """Read a time with an offset; fractions beyond microseconds are cut off.

    Returns:
        Unix microseconds; None if the text is no such time, or a time outside 1970 to 2261.

    Source: RFC 3339, section 5.6; AWS Lambda developer guide, "Telemetry API Event schema
    reference".
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    if int(hour) > _MAX_HOUR or int(minute) > _MAX_MINUTE or int(second) > _LEAP_SECOND:
        return None
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = ((days * 24 + int(hour)) * 60 + int(minute)) * 60 + int(second)
    if sign is not None:
        offset = (int(offset_hour) * 60 + int(offset_minute)) * 60
        seconds += offset if sign == "-" else -offset
    time_us = seconds * SECOND_US + int((fraction or "").ljust(6, "0"))
    return time_us if 0 <= time_us < LATEST_US else None


def is_near(time_us: int, event_us: int, near_us: int) -> bool:
    """Tell whether a time in a record is close enough to its event's to be its own time."""
    return -near_us <= time_us - event_us <= near_us


def epoch_near(value: float, event_us: int, near_us: int) -> tuple[int, bool] | None:
    """Read a number as seconds, milliseconds, microseconds or nanoseconds since 1970.

    Returns:
        Unix microseconds, and whether they are whole seconds; None if no unit gives a time near the
        event's. At most one unit does.
    """
    if not 0 < value < _LATEST_NS:
        return None
    whole = isinstance(value, int) or value.is_integer()
    for unit_us in (SECOND_US, 1_000, 1):
        time_us = int(value) * unit_us if whole else round(value * unit_us)
        if is_near(time_us, event_us, near_us):
            return time_us, whole and unit_us == SECOND_US
    time_us = int(value) // 1_000
    return (time_us, False) if is_near(time_us, event_us, near_us) else None


def has_fraction(text: str) -> bool:
    """Tell whether a valid time has a fraction of a second."""
    return text[19:20] in _POINTS


class Clock:
    """Parses times as `parse_time` does, but fast if only the milliseconds differ from the last.

    It caches one time and the text around its milliseconds.
    """

    def __init__(self) -> None:
        self._before = self._after = self._other = ""
        self._second_us = 0
        self._other_us: int | None = None

    def read(self, text: str) -> int | None:
        """Return Unix microseconds, or None; see `parse_time`."""
        if text[:20] == self._before and text[23:] == self._after:
            millis = text[20:23]
            if millis.isascii() and millis.isdigit():
                return self._second_us + int(millis) * 1000
        return self._other_us if text == self._other else self._learn(text)

    def _learn(self, text: str) -> int | None:
        time_us = parse_time(text)
        after = text[23:]
        if time_us is None or text[19:20] not in _POINTS or not _ZONE.fullmatch(after):
            self._other, self._other_us = text, time_us
        else:
            self._before, self._after = text[:20], after
            self._second_us = time_us - time_us % SECOND_US
        return time_us
