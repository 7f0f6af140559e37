"""Packages of Node for a test's program: what its lock names, installed once below `build/`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "build"
INSTALL_S = 90


def installed(folder: Path) -> Path:
    """Return a copy of a folder, with the packages of its `package-lock.json`.

    A test that calls it is skipped where there is no Node, or npm reaches no registry.
    """
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    lock = (folder / "package-lock.json").read_bytes()
    copy = BUILD / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    if not (copy / "installed").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        npm = subprocess.run(
            command, cwd=copy, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
        if npm.returncode:
            pytest.skip(f"npm cannot install what {folder.name} needs: {npm.stderr[-300:]}")
        (copy / "installed").touch()
    return copy
