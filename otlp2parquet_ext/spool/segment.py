"""One segment: a file of frames, open for appending or sealed.

The file stays open from its first byte until it is discarded. So a function that empties /tmp
removes the name, not the bytes. If no file can be written, the segment lives in anonymous memory,
and the same code works on it.

While a thread stores a segment, its file name marks that (crashes.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

from otlp2parquet_ext.spool.crashes import Crashes, StorePhase, file_name, split_name
from otlp2parquet_ext.spool.folders import taken_bytes
from otlp2parquet_ext.spool.frames import BODIES, encode_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp2parquet_ext.spool.directories import Folder
    from otlp2parquet_ext.spool.frames import FrameKind


class Segment:
    """Frames in the order in which they came.

    Attributes:
        folder: the folder of its file; None for a segment in memory.
        items: events and records in its bodies, as the caller of `append` counted them; 0 for a
            recovered segment.
        deliveries: number of bodies; 0 for a recovered segment, which has not been read yet.
        size_bytes: bytes of all frames; for a recovered segment, the bytes that are read.
        beyond_bytes: bytes of a recovered file that are not read, because no segment of ours is
            longer.
        since_us: Unix microseconds of its oldest delivery; for a recovered segment, of its last
            change.
        crashes: crashes of earlier processes while they stored it.
    """

    def __init__(self, descriptor: int, folder: Folder | None, name: str = "") -> None:
        self._descriptor = descriptor
        self._name = name
        self._stem, self.crashes = split_name(name)
        self._phases: dict[int, StorePhase] = {}  # by thread: an abandoned one may still work
        self._lock = threading.Lock()
        self._final = False
        self._holes_bytes = 0
        self._directory: int | None = None
        self.folder = folder
        self.items = 0
        self.deliveries = 0
        self.size_bytes = 0
        self.beyond_bytes = 0
        self.since_us = 0

    @classmethod
    def create(cls, folder: Folder, stem: str) -> Segment:
        """Create an empty segment file that only our user may read.

        Raises:
            OSError: the folder is gone, full or not writable, or the name is taken.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        name = file_name(stem, Crashes())
        with folder.opened() as directory:
            return cls(os.open(name, flags, 0o600, dir_fd=directory), folder, name)

    @classmethod
    def in_memory(cls) -> Segment:
        """Create an empty segment that needs no folder and dies with this process."""
        return cls(os.memfd_create("otlp2parquet-segment"), None)

    @classmethod
    def recover(cls, folder: Folder, name: str, largest_bytes: int) -> Segment:
        """Open the segment of an earlier process, only to read and discard it.

        Args:
            folder: the folder of its file.
            name: its file name.
            largest_bytes: most bytes that are read; no segment of ours is longer.

        Raises:
            OSError: it is gone, or we may not read it.
        """
        # Without O_NONBLOCK, a pipe of that name would block us, and the function with us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with folder.opened() as directory:
            segment = cls(os.open(name, flags, dir_fd=directory), folder, name)
        status = os.fstat(segment._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(segment._descriptor)
            raise OSError(errno.EINVAL, "this is no file", str(segment.path))
        segment.size_bytes = min(status.st_size, largest_bytes)
        segment.beyond_bytes = status.st_size - segment.size_bytes
        segment._holes_bytes = status.st_size - taken_bytes(status)
        segment.since_us = status.st_mtime_ns // 1_000
        return segment

    @property
    def path(self) -> Path | None:
        """Path of its file; None for a segment in memory."""
        return None if self.folder is None else self.folder.path / self._name

    @property
    def on_disk(self) -> bool:
        """False for a segment in memory."""
        return self.folder is not None

    @property
    def disk_bytes(self) -> int:
        """Bytes of `size_bytes` that take disk space, because a recovered file may have holes."""
        return max(0, self.size_bytes - self._holes_bytes)

    def append(
        self, kind: FrameKind, payload: bytes, received_us: int, digest: bytes, items: int
    ) -> None:
        """Write one complete frame, or nothing.

        Raises:
            OSError: no space; a partly written frame is removed again.
        """
        header = encode_header(kind, received_us, payload, digest)
        try:
            written = os.pwritev(self._descriptor, [header, payload], self.size_bytes)
        except OSError:
            self._cut()
            raise
        if written < len(header) + len(payload):
            self._cut()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.size_bytes += written
        if kind in BODIES:
            self.items += items
            self.deliveries += 1
            self.since_us = self.since_us or received_us

    def _cut(self) -> None:
        os.ftruncate(self._descriptor, self.size_bytes)

    def read(self) -> bytes:
        """Return the segment's bytes from the open file, because its name may be gone."""
        return os.pread(self._descriptor, self.size_bytes, 0)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Mark that this thread works on the segment, so that a crash is counted."""
        self._enter(StorePhase.WORKING)
        try:
            yield
        finally:
            self._enter(None)

    @contextlib.contextmanager
    def sent(self) -> Iterator[None]:
        """Mark that this thread waits for a destination to store the segment."""
        self._enter(StorePhase.SENDING)
        try:
            yield
        finally:
            self._enter(StorePhase.WORKING)

    def end_phases(self) -> None:
        """Remove all marks for good, because SHUTDOWN ends this process, whatever threads do.

        If a thread is still storing it, that is counted, and the next process stores the other
        segments first.
        """
        with self._lock:
            self._final = True
            self._rename(self.crashes.without_end() if self._phases else self.crashes)

    def note_unfinished(self) -> None:
        """Count, in its file name, that a store of it did not end in time."""
        with self._lock:
            self.crashes = self.crashes.without_end()
            if not self._final:
                self._rename(self.crashes.during(max(self._phases.values(), default=None)))

    def _enter(self, phase: StorePhase | None) -> None:
        with self._lock:
            if phase is None:
                self._phases.pop(threading.get_ident(), None)
            else:
                self._phases[threading.get_ident()] = phase
            if not self._final:
                self._rename(self.crashes.during(max(self._phases.values(), default=None)))
            if not self._phases:
                self._close_directory()

    def _rename(self, crashes: Crashes) -> None:
        name = file_name(self._stem, crashes)
        if self.folder is None or name == self._name:
            return
        with contextlib.suppress(OSError):  # the name is gone, so the bytes end with this process
            if self._directory is None:  # stays open while the segment is being stored
                self._directory = self.folder.open()
            os.rename(self._name, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            self._name = name

    def _close_directory(self) -> None:
        if self._directory is not None:
            os.close(self._directory)
            self._directory = None

    def discard(self) -> None:
        """Remove the segment and free its space, because its batch is stored elsewhere."""
        with self._lock:
            self._final = True
            self._close_directory()
            os.close(self._descriptor)
            self._descriptor = -1  # a late read must not reach the descriptor's next file
            # The function may have replaced the file by anything.
            with contextlib.suppress(OSError):
                if self.folder is not None:
                    with self.folder.opened() as directory:
                        os.unlink(self._name, dir_fd=directory)
