"""Rules for the code that a tool can check: which room imports which, and how long things get."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "otlp2parquet_ext"

MAY_IMPORT = {
    "extension": {"flush", "lake", "spool", "records", "common"},
    "flush": {"lake", "spool", "records", "common"},
    "functions": {"flush", "lake", "spool", "records", "common"},
    "lake": {"records", "common"},
    "spool": {"records", "common"},
    "records": {"common"},
    "common": set[str](),
    "tools": {"extension", "flush", "functions", "lake", "spool", "records", "common"},
    "__main__": {"extension", "common"},
}
"""The rooms that each room may import. docs/architecture.md draws them."""

MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""The syntax tree of each module, by its path in the package."""

NAMES = {
    ".".join((PACKAGE.name, *Path(module).with_suffix("").parts)).removesuffix(".__init__"): module
    for module in MODULES
}
"""The path of each module in the package, by its dotted name."""


def room(module: str) -> str:
    """Return the room a module belongs to."""
    return module.partition("/")[0].removesuffix(".py")


def imports(module: str) -> set[str]:
    """Return the modules that a module imports, type-checking and lazy imports included."""
    found = set()
    for node in ast.walk(MODULES[module]):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [
                full if (full := f"{node.module}.{alias.name}") in NAMES else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {NAMES[name] for name in names if name in NAMES}
    return found - {module, "__init__.py"}


def arrows(depth: int) -> set[tuple[str, str]]:
    """Return the imports between packages of one depth; a module above them stands for itself."""

    def package(module: str) -> str:
        folders = Path(module).parts[:-1]
        return "/".join(folders[:depth]) if len(folders) >= depth else module

    pairs = {(package(module), package(other)) for module in MODULES for other in imports(module)}
    return {(one, other) for one, other in pairs if one != other}


def circles(pairs: set[tuple[str, str]]) -> list[str]:
    """Return the packages that import themselves through a chain of other packages."""
    reached = {one: {other for first, other in pairs if first == one} for one, _ in pairs}
    for middle, beyond in reached.items():
        for others in reached.values():
            if middle in others:
                others.update(beyond)
    return sorted(one for one, others in reached.items() if one in others)


def test_rooms_import_what_the_design_allows() -> None:
    """A new import between rooms is a decision: add it to MAY_IMPORT, or remove it."""
    wrong = [
        f"{module} imports {other}"
        for module in MODULES
        if module != "__init__.py"
        for other in sorted(imports(module))
        if room(other) != room(module) and room(other) not in MAY_IMPORT[room(module)]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_packages_import_each_other_in_a_circle() -> None:
    """No package in a circle can be read or changed without the others."""
    assert circles(arrows(depth=2)) == []
    assert circles(arrows(depth=3)) == []


def test_package_faces_hold_no_definitions() -> None:
    """A definition in an `__init__` makes each of the package's modules import the package."""
    found = [
        module
        for module, tree in MODULES.items()
        if module.endswith("/__init__.py") and module not in LAZY_FACES
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not found, "\n".join(found)


def test_package_faces_name_modules_that_exist() -> None:
    """An `__init__` is the map of its package. After a move it must not name a missing module."""
    wrong = [
        f"{module} names {name}"
        for module, tree in MODULES.items()
        if module.endswith("__init__.py")
        for name in re.findall(r"(?<![\w/.])(\w+\.py)\b", ast.get_docstring(tree) or "")
        if not list((PACKAGE / module).parent.rglob(name))
    ]
    assert not wrong, "\n".join(wrong)


LAZY_FACES = {"tools/local/__init__.py"}
"""Its `__getattr__` imports the web server only when a plan is run."""


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
    """300 lines and 60 lines are the limits; 150 and 10 are the aim."""
    found = list(too_long())
    assert not found, "\n".join(found)


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function has, `self` and `cls` left out."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [one.arg for one in (given.vararg, given.kwarg) if one]
    return len([name for name in names if name not in ("self", "cls")])


def test_functions_have_at_most_seven_parameters_and_constructors_eight() -> None:
    """More parameters are a sign of a value that has no name yet."""
    found = [
        f"{module}: {node.name} has {parameters(node)}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and parameters(node) > (8 if node.name == "__init__" else 7)
    ]
    assert not found, "\n".join(found)


def test_no_two_classes_have_one_name() -> None:
    """A reader would have to look up the name each time."""
    names = [
        node.name
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if type(node) is ast.ClassDef
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_module_says_what_it_is() -> None:
    """A reader can understand any file alone."""
    silent = [module for module, tree in MODULES.items() if not ast.get_docstring(tree)]
    assert not silent, "\n".join(silent)


PLAIN = {"dict[str, Any]", "Metadata"}
ON_ONE_THREAD = {
    "extension/context.py",
    "extension/lifecycle/events.py",
    "tools/local/delivery.py",
    "flush/losses.py",
}


def test_what_several_threads_decode_has_a_decoder_made_at_import() -> None:
    """msgspec 0.22 crashes if two threads are the first to decode a type by `json.decode`."""
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
