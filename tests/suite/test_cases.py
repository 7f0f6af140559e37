"""A case of a test is a behaviour of its own, not a file of ours."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def names_of_sources(tree: ast.Module) -> set[str]:
    """Return the names for all source files of a folder, or for parts of them."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.value is not None:
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            if "rglob('*.py')" in ast.unparse(node.value) or used & found:
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def cases_of_sources(text: str) -> list[int]:
    """Return the lines of `parametrize` that make a case of each source file."""
    tree = ast.parse(text)
    sources = names_of_sources(tree)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "pytest.mark.parametrize"
        and sources & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    ]


def test_a_check_of_all_files_is_one_test() -> None:
    """Hundreds of cases start hundreds of tests; one message names all files just as well."""
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for line in cases_of_sources(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_cases_of_source_files_are_found_however_they_are_named() -> None:
    """Also by way of another name."""
    made = 'FILES = sorted(P.rglob("*.py"))\nSAID = [f for f in FILES]\n'
    case = "@pytest.mark.parametrize('x', {})\ndef test_x(x): ...\n"
    assert cases_of_sources(made + case.format("FILES")) == [3]
    assert cases_of_sources(made + case.format("SAID")) == [3]
    assert cases_of_sources(made + case.format("[1, 2]")) == []
