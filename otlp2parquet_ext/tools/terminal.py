"""Prints texts to the terminal: all output of the commands passes through here.

    a row, an answer, a path, an error --clean--> visible text --show--> standard output

A log line, a service's name, a file's name or a server's answer may move the cursor, colour the
screen, reverse text, or contain invisible characters. In errors, secrets are masked as well, as in
our log.
"""

from __future__ import annotations

import re
import sys
import unicodedata

from otlp2parquet_ext.common.log import without_secrets

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, …
    r"|\x1b[ -/]*[0-~]?"
)
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible letters and marks that are no control characters: fillers, selectors."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """Return only the visible text: no terminal sequences, control or direction characters.

    Line ends and tabs stay. A carriage return before a line end is removed; any other becomes a
    line end.
    """
    if not text.isprintable():
        text = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
        text = "".join(char if char.isprintable() else _instead(char) for char in text)
    return _INVISIBLE.sub(REPLACEMENT, text)


def clean_line(text: str) -> str:
    """Return only the visible text on one line, because a line end in a name could forge a line."""
    return " ".join(clean(text).splitlines()).replace("\t", " ")


def _instead(char: str) -> str:
    if char in "\n\t":
        return char
    return " " if unicodedata.category(char) == "Zs" else REPLACEMENT


def show(text: object = "", *, flush: bool = False) -> None:
    """Print lines to standard output.

    Args:
        text: of any origin.
        flush: print at once, because the next output takes a while.
    """
    sys.stdout.write(f"{clean(str(text))}\n")
    if flush:
        sys.stdout.flush()


def show_error(text: object) -> None:
    """Print lines to standard error, without the secrets of this process's variables and URLs."""
    sys.stderr.write(f"{clean(without_secrets(str(text)))}\n")
    sys.stderr.flush()
