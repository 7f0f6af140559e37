"""Directories of the spool, opened component by component and never through a link.

    <spool folder>  --O_NOFOLLOW-->  root  --dir_fd, O_NOFOLLOW-->  folder  --dir_fd-->  a file

The function may write to /tmp before we do, and so may any other user of a machine. A root or a
folder is trusted only if it is a directory, belongs to our user, and no other user may write into
it. The spool folder itself comes from the settings and may be a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

LISTED = 4_096
"""Most entries of one directory that are read, because any process may create millions."""


class UntrustedError(OSError):
    """A path of our directory holds something that other users may control."""


def reason_against(status: os.stat_result, user: int) -> str | None:
    """Return why a directory is not trusted; None if it is trusted.

    Args:
        status: of the directory itself, with links not followed.
        user: our user id.
    """
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    if not stat.S_ISDIR(status.st_mode):
        return "it is no directory"
    if status.st_uid != user:
        return f"it belongs to user {status.st_uid}, and we are user {user}"
    if status.st_mode & OTHERS_MAY_WRITE:
        return f"its mode is {status.st_mode & 0o7777:04o}: other users may write into it"
    return None


def open_trusted(path: str | Path, parent: int | None = None) -> int:
    """Return a descriptor of a directory that only our user may write into.

    Args:
        path: its last component is refused if it is a link.
        parent: descriptor of the directory that `path` is relative to.

    Raises:
        UntrustedError: it is a link, no directory, another user's, or open to other users.
        OSError: it does not exist, or we may not open it.
    """
    try:
        descriptor = os.open(path, DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        status = os.stat(path, dir_fd=parent, follow_symlinks=False)
        refused = reason_against(status, os.geteuid()) or str(error.strerror)
        raise UntrustedError(errno.EPERM, refused, str(path)) from error
    reason = reason_against(os.fstat(descriptor), os.geteuid())
    if reason is not None:
        os.close(descriptor)
        raise UntrustedError(errno.EPERM, reason, str(path))
    return descriptor


class Folder(NamedTuple):
    """One process's folder: `name` below `root`."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """The folder as a path, for messages and comparison; files are opened by descriptor."""
        return self.root / self.name

    def open(self) -> int:
        """Return a descriptor of the folder, for `dir_fd`; the caller closes it.

        Raises:
            OSError: it is gone, or it is not trusted (`UntrustedError`).
        """
        root = open_trusted(self.root)
        try:
            return open_trusted(self.name, root)
        finally:
            os.close(root)

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Open a descriptor of the folder for a `with` block; see `open`.

        Raises:
            OSError: see `open`.
        """
        folder = self.open()
        try:
            yield folder
        finally:
            os.close(folder)


def listed(directory: int) -> tuple[list[os.DirEntry[str]], bool]:
    """Return entries of a directory, and whether there are more than `LISTED`.

    Raises:
        OSError: it cannot be read.
    """
    found: list[os.DirEntry[str]] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if len(found) == LISTED:
                return found, True
            found.append(entry)
    return found, False
