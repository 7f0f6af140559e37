"""A progress bar on a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from otlp2parquet_ext.functions.committer.work import Done

WIDTH = 30


class Progress:
    """Shows how far the committing has come.

    Args:
        out: where to; nothing is shown unless it is a terminal.
        total: files that are to be committed; more may come.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._total = total
        self._started_s = time.monotonic()
        self._shown = out.isatty()

    def show(self, done: Done) -> None:
        """Draw the bar over the one before."""
        if self._shown:
            line = bar(done.files, self._total, time.monotonic() - self._started_s)
            self._out.write(f"\r\x1b[K{line}, {done.snapshots} snapshots")
            self._out.flush()

    def end(self) -> None:
        """Leave an empty line where the bar was."""
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()


def bar(files: int, total: int, seconds: float) -> str:
    """Return the bar: how much of how much, how fast, and how long it will take.

    Args:
        files: committed so far.
        total: of all; fewer than `files` when others came in the meantime.
        seconds: since the beginning.
    """
    total = max(total, files, 1)
    filled = WIDTH * files // total
    rate = files / seconds if seconds > 0 else 0.0
    left = f", {(total - files) / rate:,.0f} s left" if rate and files < total else ""
    drawn = "#" * filled + "." * (WIDTH - filled)
    return f"[{drawn}] {files:,} of {total:,} files, {rate:,.0f}/s{left}"
