"""Maps levels to OpenTelemetry severity numbers.

The text stays as the source wrote it. Words have priority. A number counts only under `level`,
where pino and bunyan write it. Python's numbers, of which 40 is *error* and not *warn*, are under
`levelno`, beside the word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(NamedTuple):
    """A severity: `text` as the source wrote it, `number` from 1 to 24, or 0 for unspecified."""

    text: str
    number: int


UNSPECIFIED = Severity("", 0)
DEBUG = Severity("DEBUG", 5)
INFO = Severity("INFO", 9)
WARN = Severity("WARN", 13)
ERROR = Severity("ERROR", 17)

# One row per severity number, from 1: OpenTelemetry's name, then its synonyms.
_SPELLINGS = (
    "TRACE ALL FINEST TRCE TRC T VRB SILLY",
    "TRACE2",
    "TRACE3",
    "TRACE4",
    "DEBUG FINER VERBOSE DBUG DBG D V",
    "DEBUG2 FINE",
    "DEBUG3 CONFIG",
    "DEBUG4 HTTP",
    "INFO INFORMATION INFORMATIONAL INF I",
    "INFO2 NOTICE NTC N SUCCESS",
    "INFO3",
    "INFO4",
    "WARN WARNING WRN W",
    "WARN2",
    "WARN3",
    "WARN4",
    "ERROR ERR SEVERE FAIL E EROR EXCEPTION",
    "ERROR2 DPANIC",
    "ERROR3 ALERT PANIC",
    "ERROR4",
    "FATAL CRITICAL CRIT EMERGENCY EMERG FTL F CRT C",
    "FATAL2",
    "FATAL3",
    "FATAL4",
)
NUMBERS: Mapping[str, int] = {
    word: number for number, row in enumerate(_SPELLINGS, start=1) for word in row.split()
}
_KNOWN: Mapping[str, Severity] = {word: Severity(word, NUMBERS[word]) for word in NUMBERS}

_PINO_TRACE, _PINO_END = 10, 70
_SLOG = re.compile(r"(DEBUG|INFO|WARN|ERROR)([+-][0-9]{1,2})")
"""Levels between the four of Go's slog: `INFO+2`."""


def severity(level: str) -> Severity:
    """Return the severity of a level word; case and surrounding space are ignored.

    Source: OpenTelemetry, "Logs Data Model", "Field: SeverityNumber" and "Appendix B"; the level
    words of the runtimes' own loggers.
    """
    known = _KNOWN.get(level)
    if known is not None:
        return known
    word = level.strip().upper()
    number = NUMBERS.get(word, 0)
    if not number and (match := _SLOG.fullmatch(word)):
        number = min(max(NUMBERS[match[1]] + int(match[2]), 1), len(_SPELLINGS))
    return Severity(level, number)


def numeric_severity(level: int) -> Severity:
    """Return the severity of a number of pino and bunyan: 10 is TRACE, 60 is FATAL.

    Returns:
        `UNSPECIFIED` for any other number. The text is OpenTelemetry's name.
    """
    if not _PINO_TRACE <= level < _PINO_END:
        return UNSPECIFIED
    return otel_severity(1 + (level - _PINO_TRACE) * 4 // 10)


def otel_severity(number: int) -> Severity:
    """Return the severity of one of OpenTelemetry's numbers; `UNSPECIFIED` for any other."""
    if not 1 <= number <= len(_SPELLINGS):
        return UNSPECIFIED
    return _KNOWN[_SPELLINGS[number - 1].split()[0]]
