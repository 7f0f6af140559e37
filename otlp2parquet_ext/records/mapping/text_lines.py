"""Reads the level and the request id of lines of text.

A line without a known format is only a message.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otlp2parquet_ext.records.mapping.severity import ERROR, UNSPECIFIED, Severity, severity


class TextLine(NamedTuple):
    """The parts of a line in a runtime's default text format; `request_id` is "" if it has none."""

    severity: Severity
    request_id: str


_new = tuple.__new__  # `TextLine(…)` calls this through a slower Python function
_UNKNOWN_LINE = TextLine(UNSPECIFIED, "")
_ERROR_TEXT = TextLine(ERROR, "")
_OTHER_FIRST = frozenset(" TDIWEtpf0123456789P")
"""First characters of single lines that have other formats than those above."""
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_REQUEST = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PYTHON = re.compile(rf"\[([A-Z]+)\]\t{_TIME}\t({_REQUEST})?\t", re.ASCII)
_PYTHON_ERROR = re.compile(r"\[([A-Z]+)\] [\w.]+(?::[^\n]*)?\nTraceback \(most recent call last\):")
# Node writes a level and a request id; .NET may omit either, and writes levels in four lower-case
# letters.
_NODE_OR_DOTNET = re.compile(
    rf"{_TIME}\t(?:({_REQUEST})|undefined|)\t(?:([A-Z]+|trce|dbug|info|warn|fail|crit)\t)?",
    re.ASCII,
)
_RUBY = re.compile(
    rf"[A-Z], \[\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}} +#\d+\] +([A-Z]+) ({_REQUEST})? -- ",
    re.ASCII,
)

_RUST_LEVEL = r" *(TRACE|DEBUG|INFO|WARN|ERROR) "
_RUST_SPAN = rf'Lambda runtime invoke\{{requestId="?({_REQUEST})"?'
_RUST = re.compile(
    rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6,9}}Z{_RUST_LEVEL}(?:{_RUST_SPAN})?", re.ASCII
)
_RUST_INVOKE = re.compile(rf"{_RUST_LEVEL}{_RUST_SPAN}", re.ASCII)
_GO_ERROR = re.compile(
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? "
    r'\{(?:"errorMessage":|"errorType":|[^\n]*,"error(?:Message|Type)":)',
    re.ASCII,
)
_ERROR_LINE = re.compile(
    r"thread '[^'\n]{0,256}' (?:\(\d{1,9}\) )?panicked at |panic: |fatal error: |PHP Fatal error: "
    r"|Traceback \(most recent call last\):\n"
)
_STACK = re.compile(
    r"\n[ \t]{1,16}at [^\s()]{1,512} ?(?:[\[<][^\n()]{0,256})?\("  # Java, .NET, Node
    r"|\n[ \t]{1,16}at [^\s()]{1,512}:\d{1,7}:\d{1,7}"  # Node, of no function
    r"|\nTraceback \(most recent call last\):\n"
    r"|\ngoroutine \d{1,9} \[running\]:"
)
"""Frames of a stack trace, after the line that names the error."""


def text_line(text: str) -> TextLine:
    """Recognise the default text lines of the runtimes by their exact format.

    Texts that runtimes and languages print for errors without a level get the level of an error:
    Go's object after a date, panics, stack traces.

    Source: AWS's runtime interface clients of Python (awslambdaric, `bootstrap`), Node
    (`LogPatch`), .NET (DefaultLogMessageFormatter), Ruby (LogFormatter), Go (`lambda.Start`, which
    prints with `log`) and Rust (lambda_runtime, which prints with tracing-subscriber).
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
    if first in _OTHER_FIRST or text.find("\n", 0, -1) >= 0:
        return _other_line(text, first)
    return _UNKNOWN_LINE


def _other_line(text: str, first: str) -> TextLine:
    if first.isdigit():
        if match := _RUST.match(text):
            return TextLine(severity(match[1]), match[2] or "")
        is_error = text[4:5] == "/" and _GO_ERROR.match(text)
    elif match := _RUST_INVOKE.match(text):
        return TextLine(severity(match[1]), match[2])
    else:
        is_error = _ERROR_LINE.match(text)
    return _ERROR_TEXT if is_error or _STACK.search(text) else _UNKNOWN_LINE
