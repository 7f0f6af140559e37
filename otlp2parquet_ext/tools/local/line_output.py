"""Prints log records of a function and its extensions as lines on a terminal."""

from __future__ import annotations

from otlp2parquet_ext.tools.terminal import clean, clean_line, show

_SHOWN_CHARACTERS = 8_192


def print_line(source: str, line: str) -> None:
    """Print a record; its further lines are indented, so none looks like another source's line."""
    text = clean(line[:_SHOWN_CHARACTERS])
    if (more := len(line) - _SHOWN_CHARACTERS) > 0:
        text += f" … and {more:,} characters more"
    first, *others = text.splitlines() or [""]
    indented = "".join(f"\n{'':<12}{other}" for other in others)
    show(f"{clean_line(source):<12}{first}{indented}", flush=True)
