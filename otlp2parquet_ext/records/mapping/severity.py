"""Levels → OpenTelemetry severity numbers. The text stays as the source wrote it.

Words decide, never numbers: 40 is *error* in Python and *warn* in pino.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(NamedTuple):
    """`text` as the source wrote it, `number` from 1 to 24, 0 for unspecified."""

    text: str
    number: int


UNSPECIFIED = Severity("", 0)
DEBUG = Severity("DEBUG", 5)
INFO = Severity("INFO", 9)
WARN = Severity("WARN", 13)

# One row per severity number, from 1: OpenTelemetry's name, then what else means the same.
_SPELLINGS = (
    "TRACE ALL FINEST TRCE",
    "TRACE2",
    "TRACE3",
    "TRACE4",
    "DEBUG FINER VERBOSE DBUG",
    "DEBUG2 FINE",
    "DEBUG3 CONFIG",
    "DEBUG4",
    "INFO INFORMATION INFORMATIONAL",
    "INFO2 NOTICE",
    "INFO3",
    "INFO4",
    "WARN WARNING",
    "WARN2",
    "WARN3",
    "WARN4",
    "ERROR ERR SEVERE FAIL",
    "ERROR2 DPANIC",
    "ERROR3 ALERT PANIC",
    "ERROR4",
    "FATAL CRITICAL CRIT EMERGENCY EMERG",
    "FATAL2",
    "FATAL3",
    "FATAL4",
)
NUMBERS: Mapping[str, int] = {
    word: number for number, row in enumerate(_SPELLINGS, start=1) for word in row.split()
}
_KNOWN: Mapping[str, Severity] = {word: Severity(word, NUMBERS[word]) for word in NUMBERS}


def severity(level: str) -> Severity:
    """Give the severity of a level word; case and surrounding space do not matter.

    Source: OpenTelemetry, "Logs Data Model", "Field: SeverityNumber" and "Appendix B"; the level
    words of the runtimes' own loggers.
    """
    return _KNOWN.get(level) or Severity(level, NUMBERS.get(level.strip().upper(), 0))


class TextLine(NamedTuple):
    """What a runtime's default text format tells; `request_id` "" when it names none."""

    severity: Severity
    request_id: str


_new = tuple.__new__  # what `TextLine` itself calls, by way of a function of Python's
_UNKNOWN_LINE = TextLine(UNSPECIFIED, "")
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_REQUEST = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PYTHON = re.compile(rf"\[([A-Z]+)\]\t{_TIME}\t({_REQUEST})?\t", re.ASCII)
_PYTHON_ERROR = re.compile(r"\[([A-Z]+)\] [\w.]+(?::[^\n]*)?\nTraceback \(most recent call last\):")
# Node names a level and a request; .NET may lack either, and spells levels in four small letters.
_NODE_OR_DOTNET = re.compile(
    rf"{_TIME}\t(?:({_REQUEST})|undefined|)\t(?:([A-Z]+|trce|dbug|info|warn|fail|crit)\t)?",
    re.ASCII,
)
_RUBY = re.compile(
    rf"[A-Z], \[\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}} +#\d+\] +([A-Z]+) ({_REQUEST})? -- ",
    re.ASCII,
)


def text_line(text: str) -> TextLine:
    """Recognise the default text lines of Python, Node, .NET and Ruby by their exact shape.

    Source: AWS's runtime interface clients of Python (awslambdaric, `bootstrap`), Node
    (`LogPatch`), .NET (DefaultLogMessageFormatter) and Ruby (LogFormatter).
    """
    first = text[:1]
    if first == "[":
        if match := _PYTHON.match(text):
            return _new(TextLine, (severity(match[1]), match[2] or ""))
        if match := _PYTHON_ERROR.match(text):
            return TextLine(severity(match[1]), "")
    elif first.isdigit():
        if match := _NODE_OR_DOTNET.match(text):
            return _new(TextLine, (severity(match[2] or ""), match[1] or ""))
    elif text[1:4] == ", [" and (match := _RUBY.match(text)):
        return TextLine(severity(match[1]), match[2] or "")
    return _UNKNOWN_LINE
