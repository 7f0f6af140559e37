"""The rules of the house that a tool can check: who may import whom, and how long things get."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "otlp2parquet_ext"

# Arrows point to the right only. Rooms of one layer do not import each other, except as said in
# ALLOWED. What is LEFT_OUT of the Lambda layer stands to the left.
LAYERS = (
    {"commands"},
    {"cli"},
    {"demo", "__main__"},
    {"report", "tail"},
    {"local", "query", "cost", "asking", "early"},
    {"agent", "committer", "ingest"},
    {"otlp_side"},
    {"batches", "checking", "context", "extensions_api", "library_logs"},
    {"committing", "settling"},
    {"alarm", "flush_side", "intake", "lane"},
    {"outbox", "table_maker"},
    {"contents"},
    {"bootstrap", "receiver", "otlp_receiver", "spool", "destinations", "iceberg"},
    {"storage", "door", "serving"},
    {"bodies", "http1"},
    {"web"},
    {"otlp"},
    {"mapping"},
    {"tables"},
    {"flushing", "losses"},
    {"pacing"},
    {"lifecycle"},
    {"telemetry", "runtime_api"},
    {"resident", "settings", "say"},
)
ALLOWED = {("destinations", "iceberg")}
LEFT_OUT = {
    "asking",
    "cli",
    "commands",
    "cost",
    "demo",
    "local",
    "query",
    "report",
    "tail",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """Return the room a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return the rooms a module imports, type-checking and lazy imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == PACKAGE.name:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith(PACKAGE.name + ".")}
    return found - {room(path), "__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A new arrow is a decision: it belongs into LAYERS and design notes, or nowhere."""
    if path.name == "__init__.py" and path.parent == PACKAGE:
        return
    order = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    mine = room(path)
    wrong = {
        other
        for other in imports(path)
        if order[other] <= order[mine] and (mine, other) not in ALLOWED
    }
    assert wrong == set()


def test_what_runs_in_lambda_needs_nothing_of_what_stays_out() -> None:
    """The layer is packed without what people run at their desks."""
    needed = {
        (room(path), other)
        for path in MODULES
        if room(path) not in LEFT_OUT
        for other in imports(path) & LEFT_OUT
    }
    assert needed == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    """300 lines and 60 lines are the most; 150 and 10 are what we aim at."""
    text = path.read_text()
    assert text.count("\n") <= 300
    long = {
        node.name: (node.end_lineno or 0) - node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > 60
    }
    assert long == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    """Any file can be read alone."""
    assert ast.get_docstring(ast.parse(path.read_text()))


PLAIN = {"dict[str, Any]", "Metadata"}
ON_ONE_THREAD = {"context.py", "lifecycle/events.py", "local/delivery.py", "losses.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_several_threads_decode_has_a_decoder_made_at_import(path: Path) -> None:
    """msgspec 0.22 crashes where two threads are the first to decode a type by `json.decode`."""
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("json.decode")
        and any(
            word.arg == "type" and ast.unparse(word.value) not in PLAIN for word in node.keywords
        )
    ]
    assert not calls or str(path.relative_to(PACKAGE)) in ON_ONE_THREAD
