"""A pytest plugin: what each test cost, summed up by folder, and the slowest ones.

    pytest --cost-file FILE    adds this run's tests to FILE

A test's cost is its set-up, its call and its tear-down: seconds of wall, and seconds of CPU of this
process and of the processes it waited for. A server that lasts for the whole session is counted
with the first test that asks for it.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

COST = "cost"
"""Name of the property that carries a test's cost from a worker to the main process."""


class Cost(NamedTuple):
    """The cost of one test, in seconds."""

    test: str
    wall_s: float
    cpu_s: float
    call_s: float
    marks: tuple[str, ...]


def cpu_s() -> float:
    """Return the CPU that this process and the ended children it waited for have used."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file that costs are added to."""
    parser.addoption("--cost-file", type=Path, help="add what each test cost to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Measure in each process; write in the process that gets all reports."""
    config.pluginmanager.register(Meter(), "cost meter")
    file = config.getoption("--cost-file")
    if file and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Writer(Path(file)), "cost writer")


class Meter:
    """Measures the phases of the test at hand, and reports them with its tear-down."""

    def __init__(self) -> None:
        self._begun = (0.0, 0.0)
        self._call_s = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Note when a test begins."""
        self._begun = (time.monotonic(), cpu_s())
        self._call_s = 0.0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the cost to the last report of a test."""
        report = yield
        if call.when == "call":
            self._call_s = call.duration
        if call.when == "teardown":
            wall, cpu = time.monotonic() - self._begun[0], cpu_s() - self._begun[1]
            marks = sorted({mark.name for mark in item.iter_markers()})
            report.user_properties.append((COST, [wall, cpu, self._call_s, marks]))
        return report


class Writer:
    """Collects the costs of a run, and adds them to a file when it ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._costs: list[Cost] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the cost of a test from its report."""
        for name, value in report.user_properties:
            if name == COST and report.when == "teardown" and isinstance(value, list):
                wall, cpu, call, marks = value
                self._costs.append(Cost(report.nodeid, wall, cpu, call, tuple(marks)))

    def pytest_sessionfinish(self) -> None:
        """Write one line of JSON for each test."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as file:
            file.writelines(json.dumps(cost) + "\n" for cost in self._costs)


def read(file: Path) -> list[Cost]:
    """Return the costs in a file; a test that ran twice counts with its last run."""
    lines = file.read_text().splitlines() if file.exists() else []
    found = (json.loads(line) for line in lines)
    return list({test: Cost(test, *rest) for test, *rest in found}.values())


def folder_of(test: str) -> str:
    """Return the folder of a test below `tests/`."""
    return test.partition("::")[0].removeprefix("tests/").rpartition("/")[0].partition("/")[0]


def by_folder(costs: Iterable[Cost]) -> dict[str, tuple[int, float, float]]:
    """Return tests, wall and CPU of each folder."""
    found: dict[str, tuple[int, float, float]] = {}
    for cost in costs:
        tests, wall, cpu = found.get(folder_of(cost.test), (0, 0.0, 0.0))
        found[folder_of(cost.test)] = (tests + 1, wall + cost.wall_s, cpu + cost.cpu_s)
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))
