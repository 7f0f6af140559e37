"""Folders below the spool folder: one for each process, owned by a lock the kernel watches over.

    <spool folder>/otlp2parquet_ext/<pid>-<n>/lock            locked for as long as its owner lives
                                             /00000001.seg    segments

A folder whose lock is free belongs to a dead process. The lock's file has room for a *tally*: a
few hundred bytes about what was lost, set aside before the disk is full, that outlive their
process as segments do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.spool.frames import Frame, Kind, digest_of, encode_header, read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TALLY_BYTES = 24_576


class Folders:
    """The folders of all processes, and the locks this one holds.

    Args:
        root: in which they lie; made when it is needed.

    Attributes:
        own: this process's folder, None before it needed one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: dict[Path, int] = {}
        self.own: Path | None = None

    def make_own(self) -> Path:
        """Return this process's folder, another one if somebody removed it.

        Raises:
            OSError: there can be none.
        """
        if self.own is not None and not self.own.is_dir():
            os.close(self._locks.pop(self.own))  # a lock on a file whose name is gone
            self.own = None
        if self.own is None:
            self.own = self._make()
        return self.own

    def _make(self) -> Path:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(1_000):
            folder = self._root / f"{os.getpid()}-{attempt}"
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder in self._locks or not self.lock(folder):
                continue
            if not any(folder.glob("*.seg")) and not self.tally_of(folder):
                with contextlib.suppress(OSError):  # no room for it, perhaps for segments
                    os.posix_fallocate(self._locks[folder], 0, TALLY_BYTES)
                return folder
            os.close(self._locks.pop(folder))  # of an earlier process with our number
        raise OSError(f"no free folder below {self._root}")

    def others(self) -> Iterator[Path]:
        """Yield the folders that are not ours, the one changed last first."""
        folders = sorted(self._root.glob("*/"), key=_modified, reverse=True)
        return (folder for folder in folders if folder not in self._locks)

    def lock(self, folder: Path) -> bool:
        """Try to become the owner of `folder`; the kernel gives the lock up when we die."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(folder / "lock", flags, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock on a file that its last owner removed meanwhile locks nothing.
            mine = os.fstat(descriptor).st_ino == os.stat(folder / "lock").st_ino  # noqa: PTH116
        except OSError:
            mine = False
        if mine:
            self._locks[folder] = descriptor
        else:
            os.close(descriptor)
        return mine

    def release(self, folder: Path) -> None:
        """Remove a dead process's folder, whose segments and tally are taken over."""
        descriptor = self._locks.pop(folder, None)
        with contextlib.suppress(OSError):  # somebody's file lies in it, or it is gone already
            (folder / "lock").unlink(missing_ok=True)
            folder.rmdir()
        if descriptor is not None:
            os.close(descriptor)

    def write_tally(self, body: bytes) -> bool:
        """Replace our tally; False when there is no place for it: it dies with us.

        Args:
            body: at most `TALLY_BYTES` with its frame's header; b"" for nothing to tell.
        """
        header = encode_header(Kind.LOSSES, time.time_ns() // 1_000, body, digest_of(body))
        try:
            os.pwrite(self._locks[self.make_own()], header + body, 0)
        except OSError:
            return False
        return True

    def clear_tally(self, folder: Path) -> None:
        """Empty the tally of a dead process's folder, if it is still there."""
        if folder in self._locks:
            with contextlib.suppress(OSError):
                os.pwrite(self._locks[folder], bytes(TALLY_BYTES), 0)

    def tally_of(self, folder: Path) -> bytes:
        """Return the tally of a folder we hold the lock of, b"" when there is none."""
        try:
            data = os.pread(self._locks[folder], TALLY_BYTES, 0)
        except OSError:
            return b""
        first = next(read_frames(data), None)
        if isinstance(first, Frame) and first.kind is Kind.LOSSES:
            return first.payload
        return b""


def _modified(path: Path) -> int:
    """Return when a folder last changed, 0 when it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's segments, as far as they are there."""
    return sum(map(_size, folder.glob("*.seg")))


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
