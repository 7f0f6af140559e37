"""Folders below the spool folder: one for each process, which owns it by a lock on a file.

    <spool folder>/otlp2parquet_ext/<pid>-<n>/lock            locked for as long as its owner lives
                                             /00000001.seg    segments

The kernel releases the lock when the process dies, so a folder whose lock is free belongs to a dead
process. The lock's file also holds a *tally*: a few hundred bytes about lost telemetry. Their space
is reserved before the disk is full, and they survive the process as segments do.

If the path of the root holds something that is not trusted (directories.py), the next name for a
root is tried. If all `ROOTS` names fail, segments lie in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.records.digests import digest_of
from otlp2parquet_ext.spool.directories import Folder, UntrustedError, listed, open_trusted
from otlp2parquet_ext.spool.frames import Frame, FrameKind, encode_header, read_frames

if TYPE_CHECKING:
    from pathlib import Path

ROOTS = 3
"""Most names for a root: if another user occupies one, the next is used."""

TALLY_BYTES = 24_576
LOCK = "lock"
SUFFIX = ".seg"


class Folders:
    """The folders of all processes, and the locks this one holds.

    Args:
        root: the folder that contains them; created when it is needed.

    Attributes:
        own: this process's folder, None before it needed one.
    """

    def __init__(self, root: Path) -> None:
        numbers = range(2, ROOTS + 1)
        self._roots = [root, *(root.with_name(f"{root.name}-{number}") for number in numbers)]
        self._locks: dict[Folder, int] = {}
        self._logged = False
        self.own: Folder | None = None

    def make_own(self) -> Folder:
        """Return this process's folder; make another one if it was removed.

        Raises:
            OSError: no folder can be made.
        """
        if self.own is not None and not self._is_there(self.own):
            os.close(self._locks.pop(self.own))  # its file is gone: it protects nothing
            self.own = None
        if self.own is None:
            self.own = self._make()
        return self.own

    def _is_there(self, folder: Folder) -> bool:
        try:
            with folder.opened():
                return True
        except OSError:
            return False

    def _make(self) -> Folder:
        root = self._make_root()
        for attempt in range(1_000):
            folder = Folder(root, f"{os.getpid()}-{attempt}")
            if self._mkdir(folder) and self._take(folder):
                return folder
        raise OSError(errno.EEXIST, "no free folder", str(root))

    def _mkdir(self, folder: Folder) -> bool:
        """Make a folder unless it exists; False if the existing one is not trusted."""
        root = open_trusted(folder.root)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder.name, 0o700, dir_fd=root)
            os.close(open_trusted(folder.name, root))
        except UntrustedError:
            return False
        finally:
            os.close(root)
        return True

    def _take(self, folder: Folder) -> bool:
        """Take ownership of a folder; False if another process owns it or it is not empty."""
        if folder in self._locks or not self.lock(folder):
            return False
        if not self.segments_in(folder) and not self.tally_of(folder):
            with contextlib.suppress(OSError):  # no space, perhaps for segments
                os.posix_fallocate(self._locks[folder], 0, TALLY_BYTES)
            return True
        os.close(self._locks.pop(folder))  # an earlier process with our pid made it
        return False

    def _make_root(self) -> Path:
        """Return the first trusted root; log those that are not trusted in one line.

        Raises:
            OSError: no root is trusted.
        """
        problems: list[UntrustedError] = []
        for root in self._roots:
            try:
                with contextlib.suppress(FileExistsError):
                    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    root.mkdir(mode=0o700)
                os.close(open_trusted(root))
            except UntrustedError as error:
                problems.append(error)
            else:
                self._tell(problems, f"telemetry is kept in {root}")
                return root
        self._tell(problems, "telemetry is kept in memory and ends with this process")
        raise problems[-1]

    def _tell(self, problems: list[UntrustedError], instead: str) -> None:
        if problems and not self._logged:
            self._logged = True
            reasons = "; ".join(f"{error.filename}: {error.strerror}" for error in problems)
            log("warning", f"the spool does not trust {reasons}; {instead}")

    def others(self) -> tuple[list[Folder], bool]:
        """Return other processes' folders, the latest change last, and whether there are more."""
        found: list[tuple[int, Folder]] = []
        more = False
        for root in self._roots:
            with contextlib.suppress(OSError):  # no root exists, or it is not trusted
                directory = open_trusted(root)
                try:
                    entries, beyond = listed(directory)
                    found += [
                        (_modified(entry), Folder(root, entry.name))
                        for entry in entries
                        if entry.is_dir(follow_symlinks=False)
                    ]
                finally:
                    os.close(directory)
                more |= beyond
        found.sort(key=lambda one: one[0])
        return [folder for _, folder in found if folder not in self._locks], more

    def is_used(self, folder: Folder) -> bool:
        """Tell whether a process of ours made a folder; other folders are never changed."""
        try:
            with folder.opened() as directory:
                os.stat(LOCK, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return bool(self.segments_in(folder))
        except OSError:
            return False
        return True

    def lock(self, folder: Folder) -> bool:
        """Try to become the owner of `folder`; the kernel releases the lock when we die."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with folder.opened() as directory:
                descriptor = os.open(LOCK, flags, 0o600, dir_fd=directory)
                mine = _lock(descriptor, directory)
        except OSError:
            return False
        if mine:
            self._locks[folder] = descriptor
        else:
            os.close(descriptor)
        return mine

    def release(self, folder: Folder) -> None:
        """Remove a dead process's folder after its segments and tally are recovered."""
        descriptor = self._locks.pop(folder, None)
        with contextlib.suppress(OSError), folder.opened() as directory:
            os.unlink(LOCK, dir_fd=directory)
        self._remove(folder)
        if descriptor is not None:
            os.close(descriptor)

    def _remove(self, folder: Folder) -> None:
        with contextlib.suppress(OSError):  # another file lies in it, or it is gone already
            root = open_trusted(folder.root)
            try:
                os.rmdir(folder.name, dir_fd=root)
            finally:
                os.close(root)

    def segments_in(self, folder: Folder) -> dict[str, int]:
        """Return the names of a folder's segments in order, with the bytes each takes on disk."""
        try:
            with folder.opened() as directory:
                entries, _ = listed(directory)
                names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))
                return {name: _disk_bytes(name, directory) for name in names}
        except OSError:
            return {}

    def write_tally(self, body: bytes) -> bool:
        """Replace our tally; False if it cannot be written, so that it ends with this process.

        Args:
            body: at most `TALLY_BYTES` with its frame's header; b"" for no losses.
        """
        header = encode_header(FrameKind.LOSSES, time.time_ns() // 1_000, body, digest_of(body))
        try:
            os.pwrite(self._locks[self.make_own()], header + body, 0)
        except OSError:
            return False
        return True

    def clear_tally(self, folder: Folder) -> None:
        """Clear the tally of a dead process's folder, if it still exists."""
        if folder in self._locks:
            with contextlib.suppress(OSError):
                os.pwrite(self._locks[folder], bytes(TALLY_BYTES), 0)

    def tally_of(self, folder: Folder) -> bytes:
        """Return the tally of a folder whose lock we hold; b"" if there is none."""
        try:
            data = os.pread(self._locks[folder], TALLY_BYTES, 0)
        except OSError:
            return b""
        first = next(read_frames(data), None)
        if isinstance(first, Frame) and first.kind is FrameKind.LOSSES:
            return first.payload
        return b""


def _lock(descriptor: int, directory: int) -> bool:
    """Lock the folder's lock file; False if it was replaced or another process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # If the last owner has removed the file meanwhile, a lock on it protects nothing.
        named = os.stat(LOCK, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(named.st_mode) and os.fstat(descriptor).st_ino == named.st_ino


def _modified(entry: os.DirEntry[str]) -> int:
    """Return the time of a folder's last change; 0 if it is gone."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def _disk_bytes(name: str, directory: int) -> int:
    """Return the disk space of a file in bytes, without holes; 0 if it is gone."""
    try:
        return taken_bytes(os.stat(name, dir_fd=directory, follow_symlinks=False))
    except OSError:
        return 0


def taken_bytes(status: os.stat_result) -> int:
    """Return the disk space of a file in bytes: at most its size, without holes."""
    return min(status.st_size, status.st_blocks * 512)
