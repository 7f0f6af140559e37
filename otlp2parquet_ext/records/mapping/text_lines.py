"""Lines of text → the level and the request id they name.

A line without a shape of its own is a message and nothing else.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otlp2parquet_ext.records.mapping.severity import ERROR, UNSPECIFIED, Severity, severity


class TextLine(NamedTuple):
    """What a runtime's default text format tells; `request_id` "" when it names none."""

    severity: Severity
    request_id: str


_new = tuple.__new__  # what `TextLine` itself calls, by way of a function of Python's
_UNKNOWN_LINE = TextLine(UNSPECIFIED, "")
_ERROR_TEXT = TextLine(ERROR, "")
_OTHER_FIRST = frozenset(" TDIWEtpf0123456789P")
"""How lines begin that are of one line and of no shape above."""
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
"""Frames of a stack trace, behind the line that names the error."""


def text_line(text: str) -> TextLine:
    """Recognise the default text lines of the runtimes by their exact shape.

    Errors that runtimes and languages print without a level are errors: Go's object behind a date,
    panics, stack traces.

    Source: AWS's runtime interface clients of Python (awslambdaric, `bootstrap`), Node
    (`LogPatch`), .NET (DefaultLogMessageFormatter), Ruby (LogFormatter), Go (`lambda.Start`, which
    prints by way of `log`) and Rust (lambda_runtime, by way of tracing-subscriber).
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
    return _other_line(text) if first in _OTHER_FIRST or "\n" in text else _UNKNOWN_LINE


def _other_line(text: str) -> TextLine:
    if match := _RUST.match(text):
        return TextLine(severity(match[1]), match[2] or "")
    if match := _RUST_INVOKE.match(text):
        return TextLine(severity(match[1]), match[2])
    is_error = _GO_ERROR.match(text) or _ERROR_LINE.match(text) or _STACK.search(text)
    return _ERROR_TEXT if is_error else _UNKNOWN_LINE
