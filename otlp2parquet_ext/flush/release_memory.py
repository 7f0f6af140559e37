"""Returns memory to the system, because the function needs it more.

    freed by a batch  --give_back_heap()-->  returned by malloc
    touched by loading --give_back_code()--> only in the page cache, which the kernel drops first

Source: proc_pid_maps(5), proc_pid_pagemap(5), madvise(2).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ENTRY_BYTES = 8
MADV_DONTNEED = 4
"""Advice of madvise: the kernel drops pages of a private file mapping, and reads them again on
access."""

_FILE, _SWAPPED, _PRESENT = 0x20, 0x40, 0x80
"""Bits in the last byte of an entry of /proc/PID/pagemap."""


def give_back_heap() -> None:
    """Return the memory that the allocator keeps after a batch.

    If Arrow uses the system's allocator, as in the layer, `malloc_trim` returns the memory of the
    whole process.
    """
    if "pyarrow" in sys.modules:
        import pyarrow as pa  # noqa: PLC0415 - it is there

        pa.default_memory_pool().release_unused()


def give_back_code() -> None:
    """Release the pages of libraries; pages in use are read again on access.

    Loading Arrow's libraries reads most of their pages, for relocations and registrations that
    happen once. If the system cannot list the mappings or refuses to release them, nothing happens.
    """
    if "pyarrow" not in sys.modules:
        return
    with contextlib.suppress(OSError, ImportError, AttributeError):
        maps = Path("/proc/self/maps")
        before, madvise = set(unwritable(maps.read_bytes())), _madvise()
        # Exclude mappings that another thread is changing right now.
        lasting = before.intersection(unwritable(maps.read_bytes()))
        with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
            for start, end in lasting:
                pagemap.seek(start // PAGE_BYTES * ENTRY_BYTES)
                entries = pagemap.read((end - start) // PAGE_BYTES * ENTRY_BYTES)
                if not written(entries):
                    madvise(start, end - start, MADV_DONTNEED)


def _madvise() -> Callable[[int, int, int], None]:
    """Return the C library's `madvise`, without the Python part of ctypes, which is slow to import.

    Raises:
        ImportError, OSError, AttributeError: the function is not available.
    """
    import _ctypes  # noqa: PLC0415 - only once, and only here

    def simple(kind: str) -> type:
        return type(kind, (_ctypes._SimpleCData,), {"_type_": kind})  # noqa: SLF001

    declared = {
        "_flags_": _ctypes.FUNCFLAG_CDECL,
        "_restype_": None,
        "_argtypes_": (simple("P"), simple("L"), simple("i")),
    }
    function: Any = type("Function", (_ctypes.CFuncPtr,), declared)
    ourselves = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
    madvise: Callable[[int, int, int], None] = function(_ctypes.dlsym(ourselves, "madvise"))
    return madvise


def unwritable(maps: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of private, read-only mappings of files.

    The loader's cache is left out: loading a library unmaps it, and another mapping may get its
    addresses.

    Args:
        maps: content of /proc/PID/maps.
    """
    for line in maps.splitlines():
        addresses, rights, _, _, _, *path = line.split(None, 5)
        if b"w" in rights or not rights.endswith(b"p") or not path:
            continue
        if path[0].startswith(b"/") and not path[0].endswith(b".cache"):
            start, _, end = addresses.partition(b"-")
            yield int(start, 16), int(end, 16)


def written(entries: bytes) -> bool:
    """Return whether a page was written, so that it differs from the file, as relocated pages do.

    Args:
        entries: part of /proc/PID/pagemap, eight bytes a page.
    """
    return any(
        flags & (_PRESENT | _SWAPPED) and not flags & _FILE
        for flags in set(entries[ENTRY_BYTES - 1 :: ENTRY_BYTES])
    )
