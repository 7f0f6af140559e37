"""The folder of `otlp2parquet-ext demo`: only files of an earlier demo are removed from it.

    claim --> marker "unfinished" --> the demo writes --> finish --> marker with a fingerprint

The marker is written first, into a folder without any of the demo's names. A finished demo adds the
fingerprint of all its files. If these have changed, they may hold a user's rows, so the next demo
refuses the folder. After Ctrl-C the marker is still "unfinished", and the next demo removes the
files and starts again.
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
    """The folder holds a file that, by the marker, is not the demo's."""


def claim(folder: Path) -> None:
    """Prepare the folder for a demo: remove the demo's files, and mark it as unfinished.

    Raises:
        NotOursError: a file is not the demo's, or has changed since; nothing was removed.
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
    """Record the demo's files, so that the next demo may remove them."""
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
    """Replace the marker atomically; a link of its name is replaced, not followed."""
    part = folder / f"{MARKER}.part"
    part.unlink(missing_ok=True)
    with part.open("x", encoding="utf-8") as file:
        file.write(f"{FIRST_LINE}\n{state}\n")
    part.replace(folder / MARKER)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder; the target of a link stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
