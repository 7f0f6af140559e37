"""Completion: the real shells offer the right words when a user presses the tab key."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otlp2parquet_ext.tools.cli import main, names

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""The shell asks the installed command what may follow."""

PATIENCE_S = 30.0
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; source {script}"),
}
CASES = [
    ("co", {"commit", "completion", "cost"}),
    ("commit --m", {"--maintain"}),
    ("local --log-format ", {"json", "text"}),
    ("completion ", {"bash", "fish", "zsh"}),
]


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write a shell's script; skip without the shell."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: as root, tests/prepare")
    assert main(["completion", shell]) == 0
    file = folder / "script"
    file.write_text(capsys.readouterr().out)
    return file


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        environ = {
            "PATH": PATH,
            "TERM": "xterm",
            "PS1": "ready> ",
            "HOME": str(folder),
        }
        environ |= {"COLUMNS": "200", "LINES": "50"}
        self._shell = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def until(self, *expected: str) -> str:
        """Read until all that is expected was shown; return what was shown."""
        seen, until_s = b"", time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            if select.select([self._ours], [], [], 0.2)[0]:
                seen += os.read(self._ours, 65_536)
            text = CONTROL.sub(b"", seen).decode(errors="replace")
            if all(word in text for word in expected):
                return text
        raise AssertionError(f"expected {expected}, seen {seen!r}")

    def close(self) -> None:
        """End it."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._ours)


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_offers_what_may_follow(
    shell: str, typed: str, offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, options of a command, choices of an option, choices of an argument."""
    command, setup = SHELLS[shell]
    file = script(shell, tmp_path, capsys)
    terminal = Terminal(command, tmp_path)
    try:
        terminal.type(setup.format(script=file) + "; echo set-''up\n")
        terminal.until("set-up")
        terminal.type(f"otlp2parquet-ext {typed}\t\t")
        terminal.until(*offered)
    finally:
        terminal.close()


def fish(script: Path, typed: str) -> dict[str, str]:
    """Return what fish would offer, and the meaning of each."""
    asked = f"source {script}; complete -C 'otlp2parquet-ext {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": PATH, "HOME": str(script.parent)},
    )
    return dict(line.split("\t") for line in done.stdout.splitlines())


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
def test_fish_offers_the_same_with_what_it_means(
    typed: str, offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """fish itself can list its offers."""
    found = fish(script("fish", tmp_path, capsys), typed)
    assert offered <= found.keys() <= offered | {"--help"}
    assert all(found.values())


def test_every_command_is_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The parser answers: a new command needs nothing here."""
    found = fish(script("fish", tmp_path, capsys), "")
    assert found.keys() == {*names(), "--help", "--version"}


def test_completing_a_file_is_left_to_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--code` takes a folder: none of our words may get in the way."""
    file = script("bash", tmp_path, capsys)
    (tmp_path / "functions").mkdir()
    terminal = Terminal(SHELLS["bash"][0], tmp_path)
    try:
        terminal.type(f"cd {tmp_path}; source {file}; echo set-''up\n")
        terminal.until("set-up")
        terminal.type("otlp2parquet-ext local --code func\t")
        terminal.until("--code functions/")
    finally:
        terminal.close()
