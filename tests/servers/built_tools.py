"""Programs that tests use and `make test-tools` builds: their paths, and whether they are current.

    python -m tools (tests/tools)  --builds-->  build/…  <--looks-- needed("rest")

Nothing here builds, downloads or installs anything. A stamp below `build/tools/` has the digest of
what a tool was built from; another digest now makes the tool stale.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build"
RECIPES: Final = ROOT / "tests" / "tools"
SERVERS: Final = ROOT / "tests" / "servers"
CONTENTS: Final = ("pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE")
"""Files of the checkout that the source distribution has beside the package."""


@dataclass(frozen=True)
class Tool:
    """The result of one run of the set-up.

    Attributes:
        name: as `make test-tools TOOLS=…` takes it.
        brings: its name in messages.
        path: the file or folder that tests use.
        inputs: files and folders it is built from, its recipe among them.
        programs: of the machine, needed to build it or to run it.
    """

    name: str
    brings: str
    path: Path
    inputs: tuple[Path, ...]
    programs: tuple[str, ...] = ()

    @property
    def stamp(self) -> Path:
        """The file with the digest of what it was built from."""
        return BUILD / "tools" / self.name

    def digest(self) -> str:
        """Return the digest of its inputs as they are now."""
        found = hashlib.sha256()
        for file in sorted(_files(self.inputs)):
            found.update(f"{file.relative_to(ROOT)}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
        return found.hexdigest()

    def problem(self) -> str:
        """Return why tests cannot use it, with the command that changes that; "" if they can."""
        command = f"make test-tools TOOLS={self.name}"
        if not self.path.exists() or not self.stamp.exists():
            return f"{self.brings} is not built: {command}"
        if self.stamp.read_text() != self.digest():
            inputs = ", ".join(str(path.relative_to(ROOT)) for path in self.inputs)
            return f"{self.brings} is stale, a file changed since (of {inputs}): {command}"
        return ""


def _files(inputs: tuple[Path, ...]) -> set[Path]:
    """Return the files of the inputs, without what Python leaves beside its sources."""
    found = {path for path in inputs if path.is_file()}
    for folder in inputs:
        found |= {
            path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        }
    return found


def _go(name: str, brings: str, file: str, *inputs: Path) -> Tool:
    return Tool(name, brings, BUILD / "servers" / file, (RECIPES / "go.py", *inputs), ("go",))


def _environment(name: str, brings: str, folder: str, requirements: str) -> Tool:
    inputs = (RECIPES / "environments.py", ROOT / requirements)
    return Tool(name, brings, BUILD / folder, inputs)


VERSITYGW_VERSION: Final = "v1.8.0"
_NODE: Final = ROOT / "tests" / "otlp_routes" / "node"
JAVA: Final = (SERVERS / "ReadTable.java", SERVERS / "DeleteRows.java")
_REST: Final = (RECIPES / "java.py", SERVERS / "rest_fixture.pom.xml", *JAVA)
_PACKAGED: Final = (ROOT / "otlp2parquet_ext", *(ROOT / name for name in CONTENTS))

ALL: Final = (
    _go("otelcol", "OpenTelemetry's collector", "otelcol", SERVERS / "otelcol"),
    Tool("rest", "Iceberg's REST catalog", BUILD / "servers" / "rest", _REST, ("java", "mvn")),
    _go("versitygw", "Versity's S3 gateway", f"versitygw-{VERSITYGW_VERSION}"),
    _environment("deploy", "the CDK", "deploy-tools", "tests/deploy/requirements.txt"),
    _environment("aws", "the AWS CLI", "layer-tools", "layer/requirements-test.txt"),
    Tool("node", "the function of Node", BUILD / "node", (RECIPES / "node.py", _NODE), ("npm",)),
    _environment("docs", "MkDocs", "docs-tools", "docs/requirements.txt"),
    Tool(
        "dist",
        "the distribution",
        BUILD / "distribution",
        (RECIPES / "distribution.py", *_PACKAGED),
    ),
)
"""In the order in which they are built: the longest first."""
TOOLS: Final = {tool.name: tool for tool in ALL}


@cache
def _problem(name: str) -> str:
    return TOOLS[name].problem()


def needed(name: str) -> Path:
    """Return where a tool is; a test that calls this is skipped where the tool is not current.

    CI builds all of them first, so there a tool that is missing or stale fails the test.
    """
    if problem := _problem(name):
        _leave(problem)
    return TOOLS[name].path


def _leave(problem: str) -> NoReturn:
    import pytest  # noqa: PLC0415 - the set-up reads this module, too, and runs no test

    if os.environ.get("CI") == "true":
        pytest.fail(problem, pytrace=False)
    pytest.skip(problem)
