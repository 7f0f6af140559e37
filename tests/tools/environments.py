"""Virtual environments apart from ours: what is in them contradicts what we need."""

from __future__ import annotations

import shutil
import sys

from built_tools import TOOLS

from tools.running import run


def environment(name: str) -> None:
    """Make the environment of a tool again, from its hashed requirements."""
    tool = TOOLS[name]
    requirements = next(path for path in tool.inputs if path.suffix == ".txt")
    shutil.rmtree(tool.path, ignore_errors=True)
    run(sys.executable, "-m", "venv", tool.path)
    pip = (tool.path / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--require-hashes", "-r", requirements)
