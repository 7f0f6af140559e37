"""The sample function of Node, with the packages that its lock names."""

from __future__ import annotations

import shutil

from built_tools import ROOT, TOOLS

from tools.running import replacing, run


def function() -> None:
    """Install the packages beside a copy of the sources."""
    with replacing(TOOLS["node"].path) as folder:
        shutil.copytree(ROOT / "tests" / "otlp_routes" / "node", folder, dirs_exist_ok=True)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
