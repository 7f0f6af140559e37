"""The tests' tools: built once, and again when an input changes; a missing one is named."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import built_tools
import pytest
from built_tools import Tool

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1]


class SetUp:
    """A checkout with two tools, `first` and `second`, and how often each was built."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: list[str] = []
        self.source = folder / "recipe"
        self.source.write_text("1")
        monkeypatch.setattr(built_tools, "ROOT", folder)
        monkeypatch.setattr(built_tools, "BUILD", folder / "build")
        monkeypatch.syspath_prepend(str(TESTS))
        monkeypatch.delenv("CI", raising=False)
        self.module: Any = importlib.import_module("tools.__main__")
        monkeypatch.setattr(self.module, "BUILD", folder / "build")
        monkeypatch.setattr(self.module, "BUILDERS", {})
        self.tools: list[Tool] = []
        monkeypatch.setattr(self.module, "ALL", self.tools)
        self._folder = folder

    def add(self, name: str, *programs: str, build: Callable[[Path], object] = Path.touch) -> Tool:
        """Add a tool."""
        tool = Tool(name, f"the {name} tool", self._folder / name, (self.source,), programs)

        def builder() -> None:
            self.built.append(name)
            build(tool.path)

        self.module.BUILDERS[name] = builder
        self.tools.append(tool)
        return tool

    def run(self, *names: str) -> int:
        """Run the set-up; return its exit status."""
        status: int = self.module.main(list(names))
        return status


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """A set-up of no tools yet."""
    return SetUp(tmp_path, monkeypatch)


def test_a_tool_is_built_once_and_again_when_an_input_changes(set_up: SetUp) -> None:
    """A second `make test-tools` costs nothing, and a changed recipe is not forgotten."""
    tool = set_up.add("first")
    assert tool.problem() == "the first tool is not built: make test-tools TOOLS=first"
    assert [set_up.run(), set_up.run()] == [0, 0]
    assert (set_up.built, tool.problem()) == (["first"], "")
    set_up.source.write_text("2")
    assert tool.problem().startswith("the first tool is stale, a file changed since (of recipe)")
    assert tool.problem().endswith(": make test-tools TOOLS=first")
    set_up.run()
    assert (set_up.built, tool.problem()) == (["first"] * 2, "")


def test_a_language_that_is_missing_keeps_no_other_tool_from_being_built(
    set_up: SetUp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one line. In CI, and if the tool was named, it is an error."""
    set_up.add("first", "no-such-compiler")
    second = set_up.add("second")
    assert set_up.run() == 0
    assert second.problem() == ""
    said = capsys.readouterr().err
    (line,) = said.splitlines()
    assert line.startswith("first: not built, tests that need it skip: no-such-compiler:")
    assert set_up.run("first") == 1
    monkeypatch.setenv("CI", "true")
    assert set_up.run() == 1


def test_a_build_that_fails_is_an_error_and_is_tried_again(
    set_up: SetUp, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its leftovers do not count as the tool."""

    def fail(path: Path) -> None:
        path.touch()
        raise OSError("the registry does not answer")

    broken = set_up.add("first", build=fail)
    set_up.add("second")
    assert set_up.run() == 1
    assert "the registry does not answer" in capsys.readouterr().err
    assert "is not built" in broken.problem()
    assert set_up.run() == 1
    assert sorted(set_up.built) == ["first", "first", "second"]


def test_a_test_whose_tool_is_missing_skips_and_fails_in_ci(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI has built everything: there a skip would hide that something is wrong."""
    tool = set_up.add("first")
    monkeypatch.setattr(built_tools, "TOOLS", {"first": tool})
    built_tools._problem.cache_clear()
    with pytest.raises(pytest.skip.Exception, match="make test-tools TOOLS=first"):
        built_tools.needed("first")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make test-tools TOOLS=first"):
        built_tools.needed("first")
    set_up.run()
    built_tools._problem.cache_clear()
    assert built_tools.needed("first") == tool.path
    built_tools._problem.cache_clear()
