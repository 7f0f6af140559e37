"""`python -m tools [NAME…]`: build missing or stale tools, two at a time; quick if none is.

A tool whose language this machine lacks is reported in the last lines, and does not keep the
others from being built. It fails the run where it was asked for by name, and in CI (CI=true).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from built_tools import ALL, BUILD, TOOLS

from tools import distribution, environments, go, java, node
from tools.running import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from built_tools import Tool

BUILDERS: Mapping[str, Callable[[], None]] = {
    "aws": partial(environments.environment, "aws"),
    "deploy": partial(environments.environment, "deploy"),
    "dist": distribution.distribution,
    "docs": partial(environments.environment, "docs"),
    "node": node.function,
    "otelcol": go.collector,
    "rest": java.catalog,
    "versitygw": go.versitygw,
}
AT_A_TIME = 2


def missing_programs(tool: Tool) -> str:
    """Return why this machine cannot build a tool, "" if it can."""
    missing = [name for name in tool.programs if shutil.which(name) is None]
    return f"{', '.join(missing)}: not installed on this machine" if missing else ""


def make(tool: Tool) -> str:
    """Build a tool unless it is current; return why that is impossible, "" when it was not.

    Raises:
        ToolError: it should have been possible.
    """
    (BUILD / "tools").mkdir(parents=True, exist_ok=True)
    with (BUILD / "tools" / f"{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be building it
        if not tool.problem():
            return ""
        if problem := missing_programs(tool):
            return problem
        began_s, digest = time.monotonic(), tool.digest()
        tool.stamp.unlink(missing_ok=True)
        BUILDERS[tool.name]()
        tool.stamp.write_text(digest)
        print(f"{tool.name}: built in {time.monotonic() - began_s:.0f} s", flush=True)
    return ""


def _attempt(tool: Tool) -> tuple[str, bool]:
    """Return why a tool is not there, and whether that is an error everywhere."""
    try:
        return make(tool), False
    except (ToolError, OSError) as error:
        return str(error), True


def main(names: list[str]) -> int:
    """Build what is named, or everything; return the exit status."""
    wanted = [tool for tool in ALL if not names or tool.name in names]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(zip(wanted, pool.map(_attempt, wanted), strict=True))
    strict = bool(names) or os.environ.get("CI") == "true"
    for tool, (problem, _) in outcomes:
        if problem:
            print(f"{tool.name}: not built, tests that need it skip: {problem}", file=sys.stderr)
    return int(any(problem and (broken or strict) for _, (problem, broken) in outcomes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make test-tools", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TOOLS))
    found = parser.parse_args().names
    if unknown := [name for name in found if name not in TOOLS]:
        parser.error(f"{unknown[0]!r}: expected one of {', '.join(TOOLS)}")
    sys.exit(main(found))
