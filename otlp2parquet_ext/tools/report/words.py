"""Writes numbers as text: few digits, always a unit."""

from __future__ import annotations

import math

NONE = "\N{EN DASH}"
SPAN_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def duration(ms: float | None) -> str:
    """Return a duration: 0.42 ms, 7.5 ms, 120 ms, 1.24 s, 2 min 5 s."""
    if ms is None:
        return NONE
    if ms < 1:
        return f"{ms:.2f} ms"
    if ms < 1_000:
        return f"{ms:.1f} ms" if ms < 9.95 else f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.2f} s" if ms < 9_995 else f"{ms / 1_000:.1f} s"
    return f"{ms // 60_000:.0f} min {ms % 60_000 // 1_000:.0f} s"


def bound(ms: float) -> str:
    """Return the end of a bin of durations: 0.1 ms, 150 ms, 1.5 s, 50 s, 1,000 s."""
    return f"{ms:g} ms" if ms < 1_000 else f"{ms / 1_000:,.6g} s"


def count(number: float) -> str:
    """Return a whole number: 12,345."""
    return f"{number:,.0f}"


def things(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 error, 2,000 errors, no errors."""
    how_many = f"{number:,}" if number else "no"
    return f"{how_many} {one if number == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """Return a share: 0 %, 0.2 %, 12 %; a dash if `whole` is 0. 0 % and 100 % are always exact."""
    if not whole:
        return NONE
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.0f} %" if share >= 10 or share == int(share) else f"{share:.1f} %"


def usd(dollars: float) -> str:
    """Return dollars: $1,234, $12.30, $0.0042; below a dollar, two significant digits."""
    if dollars >= 1_000:
        return f"${dollars:,.0f}"
    if dollars >= 1 or not dollars:
        return f"${dollars:.2f}"
    return f"${dollars:.{max(2, 1 - math.floor(math.log10(dollars)))}f}"


def gb_s(amount: float) -> str:
    """Return GB-seconds: 0.42, 12.3, 1,234."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def megabytes(amount: float | None) -> str:
    """Return memory: 128 MB."""
    return NONE if amount is None else f"{amount:,.0f} MB"


def span(ms: int) -> str:
    """Return a rough duration: 24 hours, 1 minute; at least a second."""
    seconds = max(1, round(ms / 1_000))
    fitting = ((size, name) for size, name in SPAN_UNITS if seconds == size or seconds >= 2 * size)
    size, name = next(fitting, SPAN_UNITS[-1])
    return things(round(seconds / size), name)


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
