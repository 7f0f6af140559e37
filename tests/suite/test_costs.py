"""The suite's own check: a slow test, too much CPU and growth each get a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import costs
import measuring
import pytest
import run
from measuring import Cost
from tiers import QUICK, tiered

if TYPE_CHECKING:
    from pathlib import Path


def cost(test: str, wall_s: float = 1.0, cpu_s: float = 0.5, *marks: str) -> Cost:
    """Make the cost of a test."""
    return Cost(f"tests/{test}", wall_s, cpu_s, wall_s, marks)


def test_a_slow_test_without_a_marker_fails_the_check() -> None:
    """`make test` stays short only if nothing slow gets into it unseen."""
    slow = cost("core/test_a.py::test_b", costs.SLOW_S + 0.1)
    (line,) = costs.problems("quick", [slow, cost("core/test_c.py::test_d")], pace=1.0)
    assert slow.test in line
    assert costs.problems("quick", [slow._replace(marks=("thorough",))], pace=1.0) == []
    assert costs.problems("rest", [slow], pace=1.0) == []


def test_a_slow_test_is_said_to_have_run_alone_only_if_it_did() -> None:
    """A failure ends the run before the slow ones run again: their neighbours may be the reason."""
    slow = cost("core/test_a.py::test_b", costs.SLOW_S + 0.1)
    (line,) = costs.problems("quick", [slow], pace=1.0)
    assert " s alone; " in line
    (line,) = costs.problems("quick", [slow], pace=1.0, alone=False)
    assert " s beside others (a failure kept it from running again alone); " in line


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([0, 0, 0, 0, 0], (0, True)),
        ([0, 0, 1], (1, False)),
        ([1, 0], (1, False)),
        ([0, 1], (1, False)),
    ],
)
def test_slow_tests_run_again_alone_unless_something_failed(
    statuses: list[int],
    expected: tuple[int, bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second value shows which of both; the report explains it."""
    slow = cost("core/test_a.py::test_b", costs.SLOW_S + 0.1)
    monkeypatch.setattr(measuring, "read", lambda _: [slow])
    left = iter(statuses)
    monkeypatch.setattr(run, "run", lambda _: next(left))
    assert run.phases("quick", ["pytest"], [], tmp_path) == expected
    assert list(left) == []


def test_a_test_that_is_quick_once_alone_is_not_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow minute of the machine fails no run. A slow test fails it after three rounds."""
    slow = cost("core/test_a.py::test_b", costs.SLOW_S + 0.1)
    walls = iter([[slow], [slow], [slow._replace(wall_s=1.0)]])
    monkeypatch.setattr(measuring, "read", lambda _: next(walls))
    commands: list[list[str]] = []

    def passes(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(run, "run", passes)
    assert run.phases("quick", ["pytest"], [], tmp_path) == (0, True)
    assert [slow.test in command for command in commands] == [False, False, True, True]


def test_a_busy_machine_makes_no_test_slow() -> None:
    """The limit is one of an idle machine: a neighbour's load is not the test's fault."""
    slow = cost("core/test_a.py::test_b", costs.SLOW_S * 1.5)
    assert costs.problems("quick", [slow], pace=2.0) == []


def test_more_cpu_than_two_cores_have_fails_the_check() -> None:
    """No machine of two cores could run this within the time of the tier."""
    costs_ = [cost("core/test_a.py::test_b", 1.0, costs.WALL_S["quick"] * costs.CORES + 1)]
    (line,) = costs.problems("quick", costs_, pace=1.0)
    assert "CPU" in line


def test_a_folder_that_grew_is_named() -> None:
    """Half as much again and five seconds more: less is noise."""
    costs_ = [cost("core/test_a.py::test_b", 1.0, 20.0), cost("otlp/test_c.py::test_d", 1.0, 3.0)]
    (line,) = costs.grown(costs_, {"core": 10.0, "otlp": 1.0})
    assert "tests/core takes 20 s of CPU; recorded are 10" in line


def test_a_test_that_ran_twice_counts_with_its_last_run(tmp_path: Path) -> None:
    """The first run had neighbours; the second ran alone."""
    file = tmp_path / "costs.jsonl"
    runs = [cost("core/test_a.py::test_b", 9.0), cost("core/test_a.py::test_b", 2.0)]
    file.write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert [found.wall_s for found in measuring.read(file)] == [2.0]


def test_the_report_has_the_slowest_tests_and_every_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows a reader where the time goes."""
    many = [cost(f"core/test_a.py::test_{n}", n / 10) for n in range(30)]
    assert costs.report("rest", [*many, cost("otlp/test_c.py::test_d")], 12.0, tmp_path) == []
    printed = capsys.readouterr().out
    assert printed.count("s wall") == costs.SLOWEST
    assert "| core | 30 |" in printed
    assert "| all | 31 |" in printed
    assert (tmp_path / "test-costs-rest.md").read_text() in printed


def test_one_server_of_each_kind_is_quick_and_the_others_are_thorough() -> None:
    """A destination that only `make test-all` runs is marked, not left out by its name."""
    marks = {param.id: {mark.name for mark in param.marks} for param in tiered(["s3", "rest"])}
    assert marks == {"s3": set(), "rest": {"thorough", "xdist_group"}}
    assert {"sqlite", "s3", "glue"} <= QUICK
