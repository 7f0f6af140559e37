"""Servers written in Go."""

from __future__ import annotations

import tempfile
from pathlib import Path

from built_tools import SERVERS, TOOLS, VERSITYGW_VERSION

from tools.running import run

SMALL = ("-trimpath", "-ldflags=-s -w")


def collector() -> None:
    """Build OpenTelemetry's collector of the components tests use."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "otelcol")
        run("go", "build", *SMALL, "-o", made, ".", cwd=SERVERS / "otelcol")
        _install(made, TOOLS["otelcol"].path)


def versitygw() -> None:
    """Build Versity's gateway from its published module."""
    module = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW_VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        run("go", "install", *SMALL, module, GOBIN=folder)
        _install(Path(folder, "versitygw"), TOOLS["versitygw"].path)


def _install(made: Path, target: Path) -> None:
    """Put a program in its place in one step: tests of another run may be using it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.write_bytes(made.read_bytes())
    beside.chmod(0o755)
    beside.replace(target)
