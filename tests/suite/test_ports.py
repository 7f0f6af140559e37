"""No test chooses a free port and hopes that it stays free: `reserved_port` keeps it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BENCHMARKS = TESTS.parent / "benchmarks"
ASKING = {"bind", "getsockname", "setsockopt"}


def hopes(source: str) -> list[int]:
    """Return the lines where a socket gives its port and is closed before the port is used."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.With)
        and {"socket", "create_server"} & set(_called(node))
        and "getsockname" in (used := _methods(node))
        and used <= ASKING
        and not any(isinstance(it, ast.Yield | ast.YieldFrom) for it in ast.walk(node))
        and not _others(node)
    ]


def _called(node: ast.With) -> list[str]:
    """Return the names of what a `with` calls for its contexts."""
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    return [ast.unparse(call.func).rpartition(".")[2] for call in calls]


def _methods(node: ast.With) -> set[str]:
    """Return what is called on objects in its body."""
    return {
        call.func.attr
        for part in node.body
        for call in ast.walk(part)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    }


def _others(node: ast.With) -> set[str]:
    """Return functions that its body calls, and may do anything with the port meanwhile."""
    return {
        call.func.id
        for part in node.body
        for call in ast.walk(part)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    } - {"int", "str"}


def test_no_port_is_given_back_before_it_is_used() -> None:
    """With four workers the kernel may give it to another before it is used."""
    found = {
        str(path): lines
        for folder in (TESTS, BENCHMARKS)
        for path in folder.rglob("*.py")
        if (lines := hopes(path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "with socket.socket() as s:\n    s.bind(('', 0))\n    port = s.getsockname()[1]",
        "def f():\n  with socket.create_server(('', 0)) as s:\n    return int(s.getsockname()[1])",
    ],
)
def test_asking_is_found_however_it_is_written(source: str) -> None:
    """It may be a function of its own, or inline."""
    assert hopes(source)


def test_a_socket_that_is_open_while_its_port_is_used_is_none() -> None:
    """A squatter, or a listener of the test's own."""
    held = "with socket.create_server(('', 0)) as s:\n    start(s.getsockname()[1])"
    assert hopes(held) == []
    assert hopes(held.replace("start(", "yield (")) == []
