"""Measures how many delivered bytes are still in an extension's spool."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG_BYTES = 8 << 20
"""Most bytes in the spool before deliveries pause, because a full spool drops events."""

LIMIT_S = 240.0
PAUSE_S = 0.005


def held_bytes(folder: Path) -> int:
    """Return the bytes in segments."""
    found = 0
    for path in folder.rglob("*.seg"):
        try:
            found += path.stat().st_size
        except FileNotFoundError:  # flushed meanwhile
            continue
    return found


def wait_below(folder: Path, size_bytes: int) -> None:
    """Wait until the spool holds at most `size_bytes`.

    Raises:
        TimeoutError: this takes too long.
    """
    until_s = time.monotonic() + LIMIT_S
    while held_bytes(folder) > size_bytes:
        if time.monotonic() > until_s:
            raise TimeoutError(f"{held_bytes(folder)} bytes are still in the spool")
        time.sleep(PAUSE_S)
