"""The figures of a report are those of the events that were stored, worked out without it."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from fleet import HOUR_MS, Invocation, batches, fleet
from places import soon, sqlite

from otlp2parquet_ext.lake.destinations.destination import Batch
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.report import questions
from otlp2parquet_ext.tools.report.facts import Function, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW_MS = time.time_ns() // 1_000_000
WINDOW_MS = 12 * HOUR_MS


@pytest.fixture(scope="module")
def invocations() -> list[Invocation]:
    """A day of six functions."""
    return fleet(NOW_MS)


@pytest.fixture(scope="module")
def url(invocations: list[Invocation], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same in an Iceberg table; one batch was delivered twice."""
    place = sqlite(tmp_path_factory.mktemp("lake"))
    destination = place.open()
    made = list(batches(invocations))
    twice = next(b for b in made if b.tables["logs"]["ServiceName"][0].as_py() == "till")
    for batch in (*made, Batch("f" * 32, twice.tables)):
        destination.store(batch, commit_follows=True)
    destination.commit(soon())
    return place.url


@pytest.fixture(scope="module")
def report(url: str, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The last twelve hours of it."""
    return ask(url, tmp_path_factory)


def ask(url: str, folders: pytest.TempPathFactory, function: str = "") -> Report:
    """Ask for a report as the command does."""
    wanted = questions.ReportQuery(url, NOW_MS - WINDOW_MS, NOW_MS, function)
    with query.connect(url) as connection:
        return questions.ask(connection, wanted, str(folders.mktemp("scratch")))


def within(invocations: Sequence[Invocation]) -> list[Invocation]:
    """Return those whose report is of the last twelve hours."""
    return [i for i in invocations if i.end_ms >= NOW_MS - WINDOW_MS]


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile, interpolated between neighbours."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def about(value: float) -> Any:
    """Return what a sum in another order may be."""
    return pytest.approx(value)


def counted(name: str, mine: list[Invocation]) -> Function:
    """Return the expected report of these invocations."""
    times = [i.ms for i in mine]
    inits = [i.init_ms for i in mine if i.init_ms is not None]
    late = [i.ms for i in mine if i.status == "timeout"]
    return Function(
        name=name,
        invocations=len(mine),
        failed=sum(i.status != "success" for i in mine),
        timeouts=len(late),
        logged=sum(bool(i.logged) and i.status == "success" for i in mine),
        cold=len(inits),
        p50=about(percentile(times, 50)),
        p95=about(percentile(times, 95)),
        p99=about(percentile(times, 99)),
        longest=max(times),
        init_p50=about(statistics.median(inits)) if inits else None,
        memory_used=max(i.used_mb for i in mine),
        memory_size=min(i.memory_mb for i in mine),
        sizes=len({i.memory_mb for i in mine}),
        gb_s=about(sum(i.billed_ms / 1_000 * i.memory_mb / 1_024 for i in mine)),
        timeout_ms=about(statistics.median(late)) if late else None,
    )


def test_every_function_has_the_figures_of_its_events(
    report: Report, invocations: list[Invocation]
) -> None:
    """Counts, exact percentiles, memory, GB-seconds; a batch stored twice counts once."""
    mine = within(invocations)
    names = {i.function for i in mine}
    assert {f.name for f in report.functions} == names
    for function in report.functions:
        expected = counted(function.name, [i for i in mine if i.function == function.name])
        assert function == expected
    assert report.total == counted("all functions", mine)
    assert [f.gb_s for f in report.functions] == sorted(
        (f.gb_s for f in report.functions), reverse=True
    )


def test_every_invocation_is_in_one_bar_of_each_chart(
    report: Report, invocations: list[Invocation]
) -> None:
    """And in the right one."""
    mine = within(invocations)
    for moment in report.moments:
        there = [i for i in mine if moment.start_ms <= i.end_ms < moment.start_ms + report.step_ms]
        assert moment.failed == sum(i.status != "success" for i in there)
        assert moment.logged == sum(bool(i.logged) for i in there)
        assert moment.ok + moment.logged + moment.failed == len(there)
    assert sum(m.ok + m.logged + m.failed for m in report.moments) == len(mine)
    inits = [i.init_ms for i in mine if i.init_ms is not None]
    shares = [100 * i.used_mb / i.memory_mb for i in mine]
    for bins, values in (
        (report.durations, [i.ms for i in mine]),
        (report.inits, inits),
        (report.memory, shares),
    ):
        assert [b.number for b in bins] == [sum(b.low < v <= b.high for v in values) for b in bins]
        assert sum(b.number for b in bins) == len(values)


def test_messages_that_differ_in_numbers_are_one(
    report: Report, invocations: list[Invocation]
) -> None:
    """Each of the failures has one cause, shown once, with its count and first time."""
    mine = within(invocations)
    declined = [i for i in mine if i.logged]
    late = [i for i in mine if i.status == "timeout"]
    lines, ends = report.troubles
    assert (lines.functions, ends.functions) == (1, 1)
    assert (lines.function, lines.times, lines.requests) == ("orders", *[len(declined)] * 2)
    assert lines.message == (
        "order # could not be charged: app.PaymentDeclinedError: card of order # declined"
    )
    newest = max(declined, key=lambda i: i.start_ms)
    assert (lines.request, lines.last_ms) == (newest.request, newest.start_ms + 2)
    assert lines.sample.endswith(f"app.PaymentDeclinedError: {newest.logged}")
    assert any(line.text.endswith(newest.logged) for line in lines.lines)
    assert (ends.function, ends.kind, ends.times) == ("invoices", "invocation", len(late))
    assert ends.message == "Invocation timed out, typically after 3.0 s"


def test_the_slowest_requests_are_the_slowest_and_have_their_lines(
    report: Report, invocations: list[Invocation]
) -> None:
    """Five of each function at most, so that no batch job hides the rest."""
    mine = within(invocations)
    found = []
    for name in {i.function for i in mine}:
        found += sorted((i.ms for i in mine if i.function == name), reverse=True)[:5]
    assert [r.ms for r in report.slowest] == sorted(found, reverse=True)[:20]
    by_request = {i.request: i for i in mine}
    for request in report.slowest:
        invocation = by_request[request.request]
        said = [line.text for line in request.lines]
        assert said[0] == f"START RequestId: {request.request} Version: 1"
        assert said[1] == f"{invocation.function} {invocation.number} taken"
        assert said[-1].startswith(f"REPORT RequestId: {request.request}")


def test_one_function_alone(
    url: str, invocations: list[Invocation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`--function`: nothing of any other is in it."""
    alone = ask(url, tmp_path_factory, "till")
    mine = [i for i in within(invocations) if i.function == "till"]
    assert alone.functions == (counted("till", mine),)
    assert len(alone.slowest) == 20
    assert {r.function for r in alone.slowest} == {"till"}
    assert alone.troubles == ()


def test_a_name_with_a_quote_asks_for_nothing_else(
    url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The name is text, not SQL."""
    alone = ask(url, tmp_path_factory, "till' OR '1' = '1")
    assert alone.rows == 0
    assert alone.functions == ()


def test_bins_have_no_gap() -> None:
    """Otherwise a duration could be in none, without a trace in the sums above."""
    bounds = questions.DURATIONS
    assert bounds == sorted(set(bounds))
    assert all(1.3 < high / low < 1.7 for low, high in pairwise(bounds))
