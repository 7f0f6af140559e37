"""Strips programs and libraries, and binds them to the libraries beside them.

    NEEDED libssl.so.3 --DT_RPATH--> /opt/otlp2parquet/lib   before LD_LIBRARY_PATH
           (DT_RUNPATH would come after it, and would hide the program's own DT_RPATH)

Every needed library must be in the layer; the first missing one stops the build.
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from layer import tools
from layer.plan import HOME, Target

MAGIC: Final = b"\x7fELF"


def files(tree: Path) -> list[Path]:
    """Return every program and library of a tree, in order."""
    found = (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in found if path.open("rb").read(4) == MAGIC]


def needed(file: Path) -> list[str]:
    """Return the libraries that a file needs."""
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", tools.run(["readelf", "-dW", file]))


def strip(paths: Iterable[Path], target: Target) -> None:
    """Remove symbols and debug information that are not used at run time."""
    program = f"{target.arch.triplet}-strip"
    tools.run_all([[program, "--strip-unneeded", path] for path in paths])


def forget(paths: Iterable[Path], libraries: Iterable[str]) -> None:
    """Remove libraries from the list of those that a file needs; it must not use them."""
    unwanted = set(libraries)
    for path in paths:
        for library in sorted(unwanted.intersection(needed(path))):
            tools.run(["patchelf", "--remove-needed", library, path])


def stand_in(library: Path, symbols: Iterable[str], target: Target) -> None:
    """Make a stub library with some symbols, for files that need it but never use it.

    The loader requires every symbol that a file names. A process that calls one of the stub ends at
    once.
    """
    functions = "".join(f"void {symbol}(void) {{ __builtin_trap(); }}\n" for symbol in symbols)
    source = library.with_suffix(".c")
    source.write_text(functions)
    tools.run(
        [
            *(f"{target.arch.triplet}-gcc", "-std=gnu11", "-Os", "-s", "-shared", "-fPIC"),
            *("-nostdlib", "-fno-asynchronous-unwind-tables", "-fno-ident"),
            *("-Wl,--build-id=none", f"-Wl,-soname,{library.name}", source, "-o", library),
        ]
    )
    source.unlink()


def bind_program(program: Path, target: Target) -> None:
    """Set a program's loader to ours, and its library path to our libraries."""
    home = f"/opt/{HOME}"
    loader = f"{home}/lib/{target.arch.loader}"
    tools.run(["patchelf", "--set-interpreter", loader, program])
    tools.run(["patchelf", "--force-rpath", "--set-rpath", f"{home}/lib", program])


def bind_libraries(paths: Iterable[Path]) -> None:
    """Turn each library's DT_RUNPATH into DT_RPATH; without one, the program's is used."""
    for path in paths:
        found = tools.run(["patchelf", "--print-rpath", path]).strip()
        if found:
            tools.run(["patchelf", "--force-rpath", "--set-rpath", found, path])


def libraries_of(distribution: Path, target: Target) -> dict[str, Path]:
    """Return the distribution's libraries by the names that programs use."""
    folders = [distribution / root / target.arch.triplet for root in ("lib", "usr/lib")]
    return {file.name: file for folder in folders for file in sorted(folder.glob("*.so*"))}


def complete(home: Path, available: Mapping[str, Path], target: Target) -> list[Path]:
    """Copy the needed libraries into lib/, with their own dependencies, until none is missing.

    Returns:
        The copied files.

    Raises:
        SystemExit: no package of layer.toml has a needed library.
    """
    lib = home / "lib"
    lib.mkdir(exist_ok=True)
    own = {path.name for path in files(home)}
    waiting, copied = [*files(home)], [adopt(available[target.arch.loader], lib)]
    own.add(target.arch.loader)
    while waiting:
        user = waiting.pop()
        for name in needed(user):
            if name in own:
                continue
            if name not in available:
                raise SystemExit(f"{user.name} needs {name}: no package of layer.toml has it")
            copied.append(adopt(available[name], lib))
            waiting.append(copied[-1])
            own.add(name)
    return copied


def adopt(library: Path, lib: Path) -> Path:
    """Copy one library under its requested name; follow symbolic links."""
    return Path(shutil.copyfile(library, lib / library.name))
