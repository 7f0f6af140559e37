"""Round numbers and times for axes."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MOST_STEPS = 60
MOST_TICKS, MOST_TIMES = 4, 9
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
STEPS_MS = (
    *(SECOND, 5 * SECOND, 15 * SECOND),
    *(MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR),
    *(DAY, 7 * DAY, 28 * DAY),
)


def step_ms(span_ms: int) -> int:
    """Return the shortest step that divides a time into at most about `MOST_STEPS`."""
    fitting = (step for step in STEPS_MS if span_ms <= step * (MOST_STEPS - 1))
    return next(fitting, math.ceil(span_ms / (MOST_STEPS - 1)))


def tick_ms(span_ms: int) -> int:
    """Return the distance of times on an axis, for at most `MOST_TIMES` of them."""
    fitting = (step for step in STEPS_MS if span_ms <= step * MOST_TIMES)
    return next(fitting, math.ceil(span_ms / MOST_TIMES))


def ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to the first one >= `highest`; at least 0 and 1.

    They are whole numbers, because they count invocations.
    """
    for power in range(16):
        for digit in (1, 2, 5):
            step = digit * 10.0**power
            if highest <= step * MOST_TICKS:
                return [step * n for n in range(max(1, math.ceil(highest / step)) + 1)]
    return [0.0, highest]


def clock(at_ms: int, step: int) -> str:
    """Return the text of a time on an axis with steps of `step` ms; midnight is a date."""
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    if step >= DAY or (step >= MINUTE and at_ms % DAY < step):
        return f"{at:%b} {at.day}"
    return f"{at:%H:%M:%S}" if step < MINUTE else f"{at:%H:%M}"


def moment(at_ms: int) -> str:
    """Return the full text of a time, to the second."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}"


def place(value: float, low: float, high: float) -> float:
    """Return the position of a value on a logarithmic axis, 0 to 100; `low` > 0."""
    if high <= low:
        return 50.0
    share = math.log(max(value, low) / low) / math.log(high / low)
    return round(100 * min(1.0, share), 2)
