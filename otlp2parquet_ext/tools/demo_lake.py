"""The folder of `otlp2parquet-ext demo`: only what an earlier demo wrote there is removed.

    claim --> marker "unfinished" --> the demo writes --> finish --> marker with a fingerprint

The marker is written before anything else, into a folder that holds none of the demo's names. A
finished demo adds the fingerprint of all that it wrote. What has changed since then may hold
somebody's rows, so the next demo refuses. After Ctrl-C the marker still says "unfinished", and the
next demo starts afresh.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = ".otlp2parquet-demo"
FIRST_LINE = "otlp2parquet-ext demo wrote this folder; its next run replaces what it wrote."
UNFINISHED = "unfinished"
CATALOG, WAREHOUSE, REPORT = "catalog.db", "warehouse", "report.html"
_MARKER_BYTES = 1_000


class NotOursError(Exception):
    """The folder holds something that the marker does not prove to be the demo's."""


def claim(folder: Path) -> None:
    """Make the folder ready for a demo: empty of the demo's names, and marked as unfinished.

    Raises:
        NotOursError: something there is not the demo's, or has changed since; nothing was touched.
        OSError: the folder cannot be made or written.
    """
    there = [name for name in (CATALOG, WAREHOUSE, REPORT) if os.path.lexists(folder / name)]
    state = _state(folder)
    if there and state is None:
        raise NotOursError(f"there is a {there[0]} that no demo wrote")
    if there and state not in (UNFINISHED, fingerprint(folder)):
        raise NotOursError("what the demo wrote there has been changed since")
    folder.mkdir(parents=True, exist_ok=True)
    _mark(folder, UNFINISHED)
    for name in there:
        _remove(folder / name)


def finish(folder: Path) -> None:
    """Note what the demo wrote, so that the next one may remove it."""
    _mark(folder, fingerprint(folder))


def fingerprint(folder: Path) -> str:
    """Return a digest of the table's files by path and size, and of the other files' bytes."""
    digest = hashlib.sha256()
    for name in (CATALOG, REPORT):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        elif os.path.lexists(path):
            digest.update(f"{name} is no file\n".encode())
    for line in sorted(_listed(folder / WAREHOUSE)):
        digest.update(line)
    return digest.hexdigest()


def _listed(warehouse: Path) -> Iterator[bytes]:
    if warehouse.is_symlink():
        yield b"a link\n"
        return
    for place, folders, files in os.walk(warehouse):
        for name in (*folders, *files):
            path = Path(place, name)
            found = path.lstat()
            size = found.st_size if stat.S_ISREG(found.st_mode) else stat.S_IFMT(found.st_mode)
            yield os.fsencode(f"{path.relative_to(warehouse)} {size}\n")


def _state(folder: Path) -> str | None:
    """Return the marker's second line; None when there is no marker of ours."""
    marker = folder / MARKER
    try:
        descriptor = os.open(marker, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        lines = file.read(_MARKER_BYTES).decode(errors="replace").splitlines()
    return lines[1] if len(lines) == 2 and lines[0] == FIRST_LINE else None


def _mark(folder: Path, state: str) -> None:
    """Replace the marker whole; a link of its name is replaced, never followed."""
    part = folder / f"{MARKER}.part"
    part.unlink(missing_ok=True)
    with part.open("x", encoding="utf-8") as file:
        file.write(f"{FIRST_LINE}\n{state}\n")
    part.replace(folder / MARKER)


def _remove(path: Path) -> None:
    """Remove a file, a link itself, or a folder; what a link points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
