"""Commands of a page with their output: read, run, and written again.

    python tests/cost/shown.py docs/cost.md     puts what each command prints today below it

A shown command is a code block that begins with `$ otlp2parquet-ext `; the rest of the block is
what it prints.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from otlp2parquet_ext.tools.cli import main

BLOCK = re.compile(r"(?<=```text\n)\$ otlp2parquet-ext ((?:.*\\\n)*.*)\n((?:(?!```).*\n)*)")


class Shown(NamedTuple):
    """One command of a page, and the output that the page shows."""

    command: str
    output: str


def shown(page: str) -> list[Shown]:
    """Return the commands of a page, in order."""
    return [Shown(found[1], found[2]) for found in BLOCK.finditer(page)]


def printed(command: str) -> str:
    """Run a command; return what it prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main(shlex.split(command.replace("\\\n", " "))) == 0
    return text.getvalue()


def rewritten(page: str) -> str:
    """Return a page whose commands print what they print today."""
    return BLOCK.sub(lambda found: f"$ otlp2parquet-ext {found[1]}\n{printed(found[1])}", page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(rewritten(Path(name).read_text()))
