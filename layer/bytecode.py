"""Compiles byte-code ahead of time, with the same interpreter that will load it.

    host's packages --unpack--> interpreter --compiler.py--> foo.py becomes foo.pyc

Byte-code is the same for every architecture, so this module uses the interpreter for this machine.
The interpreter is not installed: its loader is called by its path.
"""

import shutil
from pathlib import Path
from typing import Final

from layer import tools
from layer.plan import HERE, Target

SHARES: Final = 2  # fixed, because earlier compilations may affect the marshalled result


def interpreter(distribution: Path, target: Target) -> list[str | Path]:
    """Return the command that runs an unpacked interpreter of this machine's architecture."""
    libraries = distribution / "usr/lib" / target.arch.triplet
    program = distribution / f"usr/bin/python{target.python}"
    return [
        libraries / target.arch.loader,
        "--inhibit-cache",
        "--library-path",
        libraries,
        program,
        *("-S", "-s", "-P", "-X", "no_debug_ranges"),
    ]


def compile_tree(home: Path, python: list[str | Path]) -> None:
    """Replace every .py file below the layer's home by its byte-code.

    Raises:
        SystemExit: a file is not valid Python of this version.
    """
    for cache in sorted(home.rglob("__pycache__")):
        shutil.rmtree(cache)
    sources = [path.relative_to(home.parent) for path in sorted(home.rglob("*.py"))]
    shares = [sources[n::SHARES] for n in range(SHARES)]
    lists = [home.parent / f"compile-{n}.txt" for n in range(SHARES)]
    for share, file in zip(shares, lists, strict=True):
        file.write_text("\n".join(map(str, share)))
    clean = ["env", "-i", "PYTHONHASHSEED=0"]
    tools.run_all([[*clean, *python, HERE / "compiler.py", home.parent, file] for file in lists])
    for file in lists:
        file.unlink()
