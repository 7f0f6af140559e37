"""Running a program of the set-up, and putting a finished folder in its place."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 1_800
"""Most seconds that one program may take; the slowest takes three minutes on two cores."""


class ToolError(Exception):
    """A tool cannot be built; the message has the reason."""


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Run a program that has to succeed; return what it printed.

    Raises:
        ToolError: it did not succeed, or did not end; with the end of what it printed.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{' '.join(words)} has not ended within {LIMIT_S} s") from None
    if done.returncode:
        said = (done.stdout + done.stderr)[-2_000:].strip()
        raise ToolError(f"{' '.join(words)} ended with {done.returncode}: {said}")
    return done.stdout


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a folder to fill; at the end of the block it replaces `target`, or nothing changes.

    For what may be moved: a virtual environment has its own address in its programs.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        folder = Path(unfinished) / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
