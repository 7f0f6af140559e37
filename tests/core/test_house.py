"""The rules of the house that a tool can check: who may import whom, and how long things get."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "otlp2parquet_ext"

# Arrows point to the right only. Rooms of one layer do not import each other, except as said in
# ALLOWED. What is LEFT_OUT of the Lambda layer stands to the left.
LAYERS = (
    {"commands"},
    {"cli"},
    {"demo", "__main__"},
    {"report", "tail"},
    {"local", "query", "cost", "asking", "early", "demo_lake"},
    {"agent", "committer", "ingest"},
    {"otlp_side"},
    {"batches", "checking", "context", "extensions_api", "library_logs"},
    {"dropping", "leftovers"},
    {"committing", "settling"},
    {"stuck"},
    {"alarm", "flush_side", "intake", "lane"},
    {"batch_tables", "in_hand", "outbox"},
    {"table_maker"},
    {"contents"},
    {"bootstrap", "receiver", "otlp_receiver", "spool", "destinations", "iceberg"},
    {"storage", "door", "serving"},
    {"bodies", "http1", "over_long"},
    {"chunks"},
    {"web"},
    {"otlp"},
    {"mapping"},
    {"tables"},
    {"attempts", "flushing", "losses"},
    {"pacing"},
    {"lifecycle"},
    {"telemetry", "runtime_api"},
    {"terminal"},
    {"resident", "settings", "say"},
    {"masking", "urls"},
    {"secret_forms", "secret_places"},
    {"escapes", "needles", "url_secrets"},
)
ALLOWED = {("destinations", "iceberg")}
LEFT_OUT = {
    "asking",
    "cli",
    "commands",
    "cost",
    "demo",
    "demo_lake",
    "local",
    "query",
    "report",
    "tail",
}
MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""The syntax tree of each module, by its path in the package."""


def room(module: str) -> str:
    """Return the room a module belongs to."""
    return module.partition("/")[0].removesuffix(".py")


def imports(module: str) -> set[str]:
    """Return the rooms a module imports, type-checking and lazy imports included."""
    found = set()
    for node in ast.walk(MODULES[module]):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == PACKAGE.name:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith(PACKAGE.name + ".")}
    return found - {room(module), "__version__"}


def test_imports_point_one_way() -> None:
    """A new arrow is a decision: it belongs into LAYERS and design notes, or nowhere."""
    order = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        f"{module} imports {other}"
        for module in MODULES
        if module != "__init__.py"
        for other in sorted(imports(module))
        if order[other] <= order[room(module)] and (room(module), other) not in ALLOWED
    ]
    assert not wrong, "\n".join(wrong)


def test_what_runs_in_lambda_needs_nothing_of_what_stays_out() -> None:
    """The layer is packed without what people run at their desks."""
    needed = [
        f"{module} imports {other}"
        for module in MODULES
        if room(module) not in LEFT_OUT
        for other in sorted(imports(module) & LEFT_OUT)
    ]
    assert not needed, "\n".join(needed)


def too_long() -> Iterator[str]:
    """Yield each module of more than 300 lines and each function of more than 60."""
    for module, tree in MODULES.items():
        lines = (PACKAGE / module).read_text().count("\n")
        if lines > 300:
            yield f"{module}: {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno
                if lines > 60:
                    yield f"{module}: {node.name}: {lines} lines"


def test_modules_and_functions_stay_readable() -> None:
    """300 lines and 60 lines are the most; 150 and 10 are what we aim at."""
    found = list(too_long())
    assert not found, "\n".join(found)


def test_every_module_says_what_it_is() -> None:
    """Any file can be read alone."""
    silent = [module for module, tree in MODULES.items() if not ast.get_docstring(tree)]
    assert not silent, "\n".join(silent)


PLAIN = {"dict[str, Any]", "Metadata"}
ON_ONE_THREAD = {"context.py", "lifecycle/events.py", "local/delivery.py", "losses.py"}


def test_what_several_threads_decode_has_a_decoder_made_at_import() -> None:
    """msgspec 0.22 crashes where two threads are the first to decode a type by `json.decode`."""
    calls = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        if module not in ON_ONE_THREAD
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("json.decode")
        and any(
            word.arg == "type" and ast.unparse(word.value) not in PLAIN for word in node.keywords
        )
    ]
    assert not calls, "\n".join(calls)
