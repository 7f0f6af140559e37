"""A progress bar on a terminal; no output to other streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from otlp2parquet_ext.functions.committer.work import Done

WIDTH = 30


class Progress:
    """Shows the progress of commits.

    Args:
        out: the output; without a terminal nothing is shown.
        total: number of files to commit; more may arrive.
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
        """Clear the line of the bar."""
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()


def bar(files: int, total: int, seconds: float) -> str:
    """Return the bar, with the number of files, the rate, and the time left.

    Args:
        files: number of committed files.
        total: number of all files; less than `files` if more have arrived in the meantime.
        seconds: seconds since the beginning.
    """
    total = max(total, files, 1)
    filled = WIDTH * files // total
    rate = files / seconds if seconds > 0 else 0.0
    left = f", {(total - files) / rate:,.0f} s left" if rate and files < total else ""
    drawn = "#" * filled + "." * (WIDTH - filled)
    return f"[{drawn}] {files:,} of {total:,} files, {rate:,.0f}/s{left}"
