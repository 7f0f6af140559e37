"""Refusals: of single records, or of a complete request, each with a reason.

A `BadValueError` refuses the record that contains the bad value, and `Refusals` counts it. If the
value is in no record, the request is refused with `OtlpError`.
"""

from __future__ import annotations

from msgspec import Struct, field

from otlp2parquet_ext.common.log import quote

_MOST_REASONS = 3
_LONGEST_VALUE, _LONGEST_REASON = 60, 400


class OtlpError(Exception):
    """A request that cannot be read, because of the client.

    The message is for the client: it names the place, the value found and the valid values.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_cut(message))


class TooLargeError(Exception):
    """Reading a request, or one record of it, would take too much memory.

    The message is for the client, and names the exceeded limit.
    """


class TooManyError(TooLargeError):
    """A request has too many records."""


class BadValueError(Exception):
    """A value that cannot be read or stored; the caller adds its path in the request."""


class Refusals(Struct):
    """The records of one request that were refused.

    Attributes:
        records: number of refused records.
        reasons: the first few reasons.
        behind: number of earlier records of a request that is read in pieces.
    """

    records: int = 0
    reasons: list[str] = field(default_factory=list)
    behind: int = 0

    def add(self, reason: str, records: int = 1) -> None:
        """Count refused records that share one reason."""
        self.records += records
        if len(self.reasons) <= _MOST_REASONS:
            where = f"behind the first {self.behind} records: " if self.behind else ""
            self.reasons.append(_cut(where + reason))

    def why(self) -> str:
        """Return the reasons as text; "" if no record was refused."""
        text = "; ".join(self.reasons[:_MOST_REASONS])
        return text + "; and others" if len(self.reasons) > _MOST_REASONS else text


def shown(value: object) -> str:
    """Quote a value for a message, cut to a readable length."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _cut(reason: str) -> str:
    """Shorten a reason with a very deep path, in its middle."""
    if len(reason) <= _LONGEST_REASON:
        return quote(reason, _LONGEST_REASON)
    half = _LONGEST_REASON // 2
    return f"{quote(reason, half)}…{quote(reason[-half:], half)}"
