"""What of a request is refused, and why: one record, or the request as a whole.

A `BadValueError` travels up to the record it was found in, which is then refused and counted in
`Refusals`; where there is no record around it, the request is refused: `OtlpError`.
"""

from __future__ import annotations

from msgspec import Struct, field

from otlp2parquet_ext.common.log import quote

_MOST_REASONS = 3
_LONGEST_VALUE, _LONGEST_REASON = 60, 400


class OtlpError(Exception):
    """A request that cannot be read at all: the client's mistake.

    The message says where, what was found and what is valid; it is meant for the client.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_cut(message))


class TooLargeError(Exception):
    """A request, or one record of it, would take more memory than there is when it is read.

    The message says what is too much and is meant for the client.
    """


class TooManyError(TooLargeError):
    """A request has more records than are taken."""


class BadValueError(Exception):
    """A value that cannot be read or stored; somebody says where in the request it is."""


class Refusals(Struct):
    """The records of one request that were refused.

    Attributes:
        records: how many.
        reasons: the first few.
        behind: records of the request before those that are being read, when it is read in pieces.
    """

    records: int = 0
    reasons: list[str] = field(default_factory=list)
    behind: int = 0

    def add(self, reason: str, records: int = 1) -> None:
        """Note that records were refused, all for one reason."""
        self.records += records
        if len(self.reasons) <= _MOST_REASONS:
            where = f"behind the first {self.behind} records: " if self.behind else ""
            self.reasons.append(_cut(where + reason))

    def why(self) -> str:
        """Say why, or "" when nothing was refused."""
        text = "; ".join(self.reasons[:_MOST_REASONS])
        return text + "; and others" if len(self.reasons) > _MOST_REASONS else text


def shown(value: object) -> str:
    """Quote a value for a message, cut to a readable length."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def _cut(reason: str) -> str:
    """Leave out the middle of a reason whose path goes very deep."""
    if len(reason) <= _LONGEST_REASON:
        return quote(reason, _LONGEST_REASON)
    half = _LONGEST_REASON // 2
    return f"{quote(reason, half)}…{quote(reason[-half:], half)}"
