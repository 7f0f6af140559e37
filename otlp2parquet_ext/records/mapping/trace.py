"""Trace context: parses X-Ray headers and loggers' ids to OTLP trace id, span id and flags.

An id that is invalid or all zeros counts as unset; a trace without a span keeps its trace id.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Trace(NamedTuple):
    """A trace context: ids as 32 and 16 lower-case hex digits, None if unset; W3C `flags`."""

    trace_id: str | None = None
    span_id: str | None = None
    flags: int = 0


NO_TRACE = Trace()
_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_HEADER = re.compile(
    r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16});Sampled=([01])(?:;Lineage=[^;=]*)?"
)
"""The header as Lambda writes it; other headers are parsed part by part."""

_new = tuple.__new__  # `Trace(…)` calls this through a slower Python function
_NO_TRACE_ID, _NO_SPAN_ID = "0" * 32, "0" * 16
_HEX, _SPAN_DIGITS = "0123456789abcdef", 16
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_FLAGS = re.compile(r"[0-9a-f]{2}")
_MAX_FLAGS = 255


def trace_id(text: object) -> str | None:
    """Read a trace id: 32 hex digits, or X-Ray's `1-8hex-24hex`."""
    if not isinstance(text, str):
        return None
    match = _ROOT.fullmatch(text)
    digits = match[1] + match[2] if match else text
    return digits if _TRACE_ID.fullmatch(digits) and digits.strip("0") else None


def span_id(text: object) -> str | None:
    """Read a span id: 16 hex digits."""
    valid = isinstance(text, str) and _SPAN_ID.fullmatch(text) and text.strip("0")
    return str(text) if valid else None


def trace_flags(value: object) -> int | None:
    """Read trace flags: a number from 0 to 255, or two hex digits."""
    if isinstance(value, str):
        return int(value, 16) if _FLAGS.fullmatch(value) else None
    return value if type(value) is int and 0 <= value <= _MAX_FLAGS else None


def parse_header(header: str) -> Trace:
    """Parse an X-Ray header: `Root=…;Parent=…;Sampled=…` in any order; ignore unknown keys.

    Args:
        header: any text; without a valid Root, no field is set.

    Source: AWS X-Ray developer guide, "Tracing header"; AWS Lambda developer guide,
    "Telemetry API Event schema reference", TracingContext.
    """
    if match := _HEADER.fullmatch(header):
        time, rest, parent, sampled = match.groups()
        known = time + rest
        if known == _NO_TRACE_ID:
            return NO_TRACE
        return _new(Trace, (known, None if parent == _NO_SPAN_ID else parent, int(sampled)))
    parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root = trace_id(parts.get("Root"))
    if root is None:
        return NO_TRACE
    return Trace(root, span_id(parts.get("Parent")), int(parts.get("Sampled") == "1"))


class TracingReader:
    """Reads `tracing` objects; the header of an invocation comes three times and is parsed once.

    The cache and the reader exist for one batch.
    """

    def __init__(self) -> None:
        """Begin with an empty cache."""
        self._header = cache(parse_header)

    def read(self, tracing: object) -> Trace:
        """Read a platform event's `tracing`; any other value gives no trace."""
        if type(tracing) is not dict or type(value := tracing.get("value")) is not str:
            return NO_TRACE
        trace = self._header(value)
        own = tracing.get("spanId")
        if trace is NO_TRACE or type(own) is not str or len(own) != _SPAN_DIGITS:
            return trace
        if own == _NO_SPAN_ID or own.strip(_HEX):  # the rest is not all hex digits
            return trace
        return _new(Trace, (trace.trace_id, own, trace.flags))
