"""The process releases memory to the system, and only pages that can be read again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from otlp2parquet_ext.flush.release_memory import unwritable, written

if TYPE_CHECKING:
    from pathlib import Path

MAPS = b"""\
55d0c8a00000-55d0c8a01000 r-xp 00000000 fd:01 11 /usr/bin/python3
7f0000000000-7f0000002000 r--p 00000000 fd:01 12 /opt/pyarrow/libarrow.so.2600
7f0000002000-7f0000009000 r-xp 00002000 fd:01 12 /opt/pyarrow/libarrow.so.2600
7f0000009000-7f000000a000 rw-p 00009000 fd:01 12 /opt/pyarrow/libarrow.so.2600
7f000000b000-7f000000c000 r--s 00000000 fd:01 13 /opt/pyarrow/shared
7f000000d000-7f000000e000 r--p 00000000 fd:01 14 /opt/a folder/pyarrow/lib b.so
7f000000f000-7f0000010000 r--p 00000000 00:00 0
7f0000011000-7f0000012000 r--p 00000000 fd:01 15 /etc/ld.so.cache
7ffd00000000-7ffd00021000 r-xp 00000000 00:00 0                          [vdso]
"""
PRESENT_OF_FILE, PRESENT, SWAPPED, ABSENT = 0xA1, 0x81, 0x40, 0x00


def test_only_private_mappings_of_files_that_nobody_may_write_are_let_go() -> None:
    """Writable, shared and anonymous pages would be lost. The loader's cache is released anyway."""
    assert list(unwritable(MAPS)) == [
        (0x55D0C8A00000, 0x55D0C8A01000),
        (0x7F0000000000, 0x7F0000002000),
        (0x7F0000002000, 0x7F0000009000),
        (0x7F000000D000, 0x7F000000E000),
    ]


def test_a_mapping_with_a_page_that_was_written_is_kept() -> None:
    """Relocations change a library's tables before they are protected, so the file differs."""
    assert not written(entries(PRESENT_OF_FILE, ABSENT))
    assert written(entries(PRESENT_OF_FILE, PRESENT))
    assert written(entries(ABSENT, SWAPPED))


def entries(*flags: int) -> bytes:
    """Give pages of /proc/PID/pagemap; the frame number of a page reads as zero."""
    return b"".join(bytes(7) + bytes([one]) for one in flags)


PROGRAM = """
import ctypes, io, json, mmap, sys
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from otlp2parquet_ext.flush import release_memory

def of_files_kb():
    return int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0])

def writes():
    file = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(1000))}), file, compression="zstd")
    return pq.read_table(io.BytesIO(file.getvalue()))["n"].to_pylist() == list(range(1000))

# As a relocated table: written, then protected.
with open(sys.argv[1], "rb") as file:
    patched = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
patched[:4] = b"ours"
libc = ctypes.CDLL(None)
address = ctypes.addressof(ctypes.c_char.from_buffer(patched))
assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(len(patched)), 1) == 0
before = [of_files_kb(), writes()]
release_memory.give_back_code()
after = of_files_kb()
found = bytes(patched[:4]).decode()
# The interpreter frees what may be written only.
assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(len(patched)), 3) == 0
print(json.dumps([before, after, found, writes()]))
"""


def test_the_code_of_arrow_leaves_memory_and_works_when_it_comes_back(tmp_path: Path) -> None:
    """Half of an idle environment's resident pages were used only for loading."""
    file = tmp_path / "patched"
    file.write_bytes(b"file" * 4_096)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, check=True
    )
    (before_kb, wrote), after_kb, patched, writes = json.loads(done.stdout)
    assert wrote
    assert writes
    assert before_kb - after_kb > 15_000
    assert patched == "ours"
