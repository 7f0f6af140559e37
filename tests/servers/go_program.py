"""Servers written in Go, built once from their published modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "build" / "servers"
BUILD_S = 900


def installed(package: str, version: str) -> Path:
    """Return a program, built if need be.

    Skips the test, saying why, where Go or its registry is missing.

    Args:
        package: of `main`, for example `github.com/versity/versitygw/cmd/versitygw`.
        version: of its module.
    """
    target = BUILT / f"{package.rpartition('/')[2]}-{version}"
    if not target.exists() and (problem := _build(package, version, target)):
        pytest.skip(problem)
    return target


@cache  # what cannot be built is not tried again for every test
def _build(package: str, version: str, target: Path) -> str:
    """Build a program; return why that is impossible, "" when it was not."""
    if shutil.which("go") is None:
        return "Go is not installed"
    BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILT) as unfinished:
        try:
            run = subprocess.run(
                ["nice", "go", "install", f"{package}@{version}"],
                env={**os.environ, "GOBIN": unfinished},
                check=False,
                capture_output=True,
                text=True,
                timeout=BUILD_S,
            )
        except subprocess.TimeoutExpired:
            return f"Go has not built {package}@{version} within {BUILD_S} s"
        if run.returncode:
            return f"Go cannot build {package}@{version}: {run.stderr[-500:]}"
        (Path(unfinished) / package.rpartition("/")[2]).rename(target)
    return ""
