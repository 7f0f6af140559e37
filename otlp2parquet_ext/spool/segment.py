"""One segment: a file of frames, open for appending or sealed.

The file stays open from its first byte until it is discarded: a function that empties /tmp takes
the name, not the bytes. Where no file can be written the segment lives in anonymous memory, with
the same code on top.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from otlp2parquet_ext.spool.frames import BODIES, encode_header

if TYPE_CHECKING:
    from pathlib import Path

    from otlp2parquet_ext.spool.frames import Kind


class Segment:
    """Frames in the order in which they came.

    Attributes:
        path: where it lies, None for one in memory.
        items: events and records in its bodies, as counted by whoever appended them; 0 for a
            recovered one.
        deliveries: bodies in it; 0 for a recovered one, too: nobody has read it yet.
        size_bytes: bytes of all frames.
        since_us: Unix microseconds of its oldest delivery, of its last change for a recovered one.
    """

    def __init__(self, descriptor: int, path: Path | None) -> None:
        self._descriptor = descriptor
        self.path = path
        self.items = 0
        self.deliveries = 0
        self.size_bytes = 0
        self.since_us = 0

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Create an empty segment file, readable by nobody else.

        Raises:
            OSError: the folder is gone, full or not writable, or the name is taken.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return cls(os.open(path, flags, 0o600), path)

    @classmethod
    def in_memory(cls) -> Segment:
        """Create an empty segment that needs no folder and dies with this process."""
        return cls(os.memfd_create("otlp2parquet-segment"), None)

    @classmethod
    def recover(cls, path: Path) -> Segment:
        """Open a segment that an earlier process left, to be read and discarded only.

        Raises:
            OSError: it is gone, or not ours to read.
        """
        # A pipe of that name would be waited for, and the function with us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        segment = cls(os.open(path, flags), path)
        status = os.fstat(segment._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(segment._descriptor)
            raise OSError(errno.EINVAL, "this is no file", str(path))
        segment.size_bytes, segment.since_us = status.st_size, status.st_mtime_ns // 1_000
        return segment

    @property
    def on_disk(self) -> bool:
        """False for a segment in memory."""
        return self.path is not None

    def append(
        self, kind: Kind, payload: bytes, received_us: int, digest: bytes, items: int
    ) -> None:
        """Write one frame, whole or not at all.

        Raises:
            OSError: no space; what was written of the frame is cut off again.
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
        """Return the segment's bytes, from the open file: its name may be gone."""
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def discard(self) -> None:
        """Forget the segment and free its space; its batch is safe elsewhere."""
        os.close(self._descriptor)
        self._descriptor = -1  # whoever reads it late may not read what has the number next
        if self.path is not None:
            with contextlib.suppress(OSError):  # the function may have put anything in its place
                self.path.unlink(missing_ok=True)
