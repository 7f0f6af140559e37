"""Programs and libraries: made small, and bound to the libraries beside them.

    NEEDED libssl.so.3 --DT_RPATH--> /opt/otlp2parquet/lib   before LD_LIBRARY_PATH is looked at
           (DT_RUNPATH would come after it, and would hide the program's own DT_RPATH)

Every library that anything needs must be inside; the first that is not stops the build.
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
    """Return the libraries a file names."""
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", tools.run(["readelf", "-dW", file]))


def strip(paths: Iterable[Path], target: Target) -> None:
    """Remove symbols and debug information nothing looks at while running."""
    program = f"{target.arch.triplet}-strip"
    tools.run_all([[program, "--strip-unneeded", path] for path in paths])


def forget(paths: Iterable[Path], libraries: Iterable[str]) -> None:
    """Remove libraries from the list of those a file names; it must not use them."""
    unwanted = set(libraries)
    for path in paths:
        for library in sorted(unwanted.intersection(needed(path))):
            tools.run(["patchelf", "--remove-needed", library, path])


def stand_in(library: Path, symbols: Iterable[str], target: Target) -> None:
    """Make a library that has some symbols and nothing else: for files that name but never use it.

    A file is only loaded if every symbol it names is somewhere. Whoever uses one ends at once.
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
    """Make a program start with our loader and find our libraries."""
    home = f"/opt/{HOME}"
    loader = f"{home}/lib/{target.arch.loader}"
    tools.run(["patchelf", "--set-interpreter", loader, program])
    tools.run(["patchelf", "--force-rpath", "--set-rpath", f"{home}/lib", program])


def bind_libraries(paths: Iterable[Path]) -> None:
    """Turn each library's DT_RUNPATH into DT_RPATH; where there is none the program's counts."""
    for path in paths:
        found = tools.run(["patchelf", "--print-rpath", path]).strip()
        if found:
            tools.run(["patchelf", "--force-rpath", "--set-rpath", found, path])


def libraries_of(distribution: Path, target: Target) -> dict[str, Path]:
    """Return the distribution's libraries by the name programs ask for."""
    folders = [distribution / root / target.arch.triplet for root in ("lib", "usr/lib")]
    return {file.name: file for folder in folders for file in sorted(folder.glob("*.so*"))}


def complete(home: Path, available: Mapping[str, Path], target: Target) -> list[Path]:
    """Copy into lib/ what the tree needs, and what that needs, until nothing is missing.

    Returns:
        The copies.

    Raises:
        SystemExit: a library that no package of ours brings.
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
    """Copy one library under the name it was asked for, following symbolic links."""
    return Path(shutil.copyfile(library, lib / library.name))
