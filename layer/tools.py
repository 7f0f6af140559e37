"""Runs the build's programs; if one is missing, the error names its package."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

# Programs that layer/prepare installs, with their Debian packages.
PACKAGES: Final[Mapping[str, str]] = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "patchelf": "patchelf",
    "readelf": "binutils",
    "x86_64-linux-gnu-strip": "binutils-x86-64-linux-gnu",
    "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
    "x86_64-linux-gnu-gcc": "gcc-x86-64-linux-gnu",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
}


def require(programs: Sequence[str]) -> None:
    """Stop with an error unless every program is installed.

    Raises:
        SystemExit: the message has the command that installs the missing programs.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(sorted({PACKAGES.get(program, program) for program in missing}))
        raise SystemExit(
            f"{', '.join(missing)} not found: run `layer/prepare` "
            f"(as root: apt-get install {packages})"
        )


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program and return its output.

    Raises:
        SystemExit: it failed; the message has the command and the end of its output.
    """
    words = [str(word) for word in command]
    full = {**os.environ, **env} if env else None
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=full, cwd=cwd)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise SystemExit(f"`{' '.join(words)[:300]}` failed with {done.returncode}:\n{said}")
    return done.stdout


def run_all(commands: Sequence[Sequence[str | Path]]) -> list[str]:
    """Run programs, as many at a time as there are cores; results in the same order."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(run, commands))
