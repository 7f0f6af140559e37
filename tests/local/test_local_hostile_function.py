"""`local` on a terminal: a function's output, a name, an error only show."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tty
import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "import sys; from otlp2parquet_ext.tools.cli import main; sys.exit(main())"
PROGRESS_LINE = "\r\x1b[K"
"""The sequence that `commit` itself writes to a terminal, to draw its progress again."""
NAME = "n\x1b[31m\u202e\u2066\U000e0041\u200b\x9b1m"
HANDLER = r"""
import os, sys
def handler(event, context):
    os.write(1, b"ESC \x1b[2J\x1b[31mred\x1b]52;c;cm0gLXJm\x07 \x1b]0;title\x1b\\ end\n")
    os.write(1, "C1 \x9b2J\x9d0;t\x9c bidi \u202e\u2066 tag \U000e0041 zero \u200b\n".encode())
    os.write(1, b"before\rforged      by a carriage return\n")
    os.write(1, b"two\x0bforged      by a tab\x0cforged      by a feed\n")
    os.write(2, b"invalid \xff\xfe\xc3( \xed\xa0\x80 \x00\x08\x7f\n")
    print("logged\nforged      by a line end \x1b[1A\u2028forged      by U+2028\x85forged by NEL")
    os.write(1, b"L" * 100_000 + b"\n")
    raise ValueError("an error \x1b[5m\u2067\rforged      by an error" + "E" * 100_000)
"""


def on_a_terminal(*words: str, folder: Path) -> tuple[int, str]:
    """Run a command with a terminal as its outputs; return status and what the terminal got."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # a line end stays one: every carriage return is the command's
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=theirs, stderr=theirs, cwd=folder
    ) as command:
        os.close(theirs)
        got = bytearray()
        while True:
            try:
                data = os.read(ours, 65_536)
            except OSError:  # the last process has closed the terminal
                break
            if not data:
                break
            got += data
        os.close(ours)
        return command.wait(60), got.decode().replace(PROGRESS_LINE, "")


def assert_only_shows(text: str) -> None:
    """Check every character."""
    unseen = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert {c for c in set(text) if unicodedata.category(c) in unseen and c not in "\n\t"} == set()
    assert [line for line in text.splitlines() if line.startswith("forged")] == []


@pytest.mark.parametrize("how", ["text", "json"])
@pytest.mark.e2e
def test_what_a_function_writes_only_shows_and_forges_no_line(how: str, tmp_path: Path) -> None:
    """Colours, titles, the clipboard, directions; and lines that look like another source's."""
    (tmp_path / "hostile.py").write_text(HANDLER)
    words = ("--handler", "hostile.handler", "--code", ".", "--no-extension", "--unlimited")
    status, text = on_a_terminal("local", *words, "--log-format", how, folder=tmp_path)
    assert status == 1
    assert_only_shows(text)
    assert "red" in text
    assert "by a carriage return" in text
    assert max(map(len, text.splitlines())) < 9_000


@pytest.mark.parametrize(
    "words",
    [
        ("local", "--handler", NAME, "--code", ".", "--no-extension", "--unlimited"),
        ("local", "--handler", "a.b", "--code", NAME),
        ("local", "--handler", "a.b", "--event", NAME),
        ("local", "--handler", "a.b", "--kill", NAME),
        ("local", "--no-extension", "--unlimited", "--", f"./{NAME}"),
        ("local", "--extension", NAME, "--unlimited", "--handler", "a.b"),
        ("local", "--unlimited", "--destination", f"sqlite:///{NAME}", "--handler", "a.b"),
        ("demo", "--lake", f"/dev/null/{NAME}"),
        ("demo", NAME),
        ("query", f"file:///{NAME}", NAME),
        ("check", f"file:///dev/null/{NAME}"),
        ("commit", f"sqlite:///{NAME}"),
        ("report", f"file:///{NAME}", "--output", NAME),
        ("cost", "--per-second", "1", "--destination", NAME),
        ("settings", NAME),
        (NAME,),
    ],
    ids=lambda words: "-".join(w for w in words[:2] if w.isascii() and "/" not in w),
)
@pytest.mark.e2e
def test_a_hostile_name_in_any_argument_only_shows(words: tuple[str, ...], tmp_path: Path) -> None:
    """A script may hand on names that strangers chose."""
    _, text = on_a_terminal(*words, folder=tmp_path)
    assert text
    assert_only_shows(text)
