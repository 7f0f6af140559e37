"""The benchmarks use names of the package that exist."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def missing(module: str, name: str) -> bool:
    """Tell whether a module lacks a name; the names of a package are its modules, too."""
    found = importlib.import_module(module)
    if hasattr(found, name):
        return False
    folders = [Path(folder) for folder in getattr(found, "__path__", ())]
    return not any((folder / f"{name}.py").exists() for folder in folders)


def test_every_name_that_a_benchmark_imports_from_the_package_exists() -> None:
    """Many benchmarks run by hand only, so a renamed function would break them unnoticed."""
    wrong = [
        f"{path.relative_to(BENCHMARKS)}:{node.lineno}: {node.module}.{alias.name}"
        for path in sorted(BENCHMARKS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("otlp2parquet_ext")
        for alias in node.names
        if missing(str(node.module), alias.name)
    ]
    assert not wrong, "\n".join(wrong)
