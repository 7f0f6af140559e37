"""A few cells of the fault matrix, and proof that its books find what they are there to find.

All cells: `make test-faults`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from faults import report
from faults.accounting import Keys, Table, acknowledged_keys, books, ledger_of, spool_of
from faults.hostile import HOSTILE
from faults.judging import figures, judged
from faults.runner import Result, run_cell
from faults.runtime import field, rejected
from faults.scenario import Cell, Promise, Scenario
from faults.table import scenarios
from faults.targets import Targets
from otlp2parquet_ext.spool import FrameKind, Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.thorough

SEED = 1
NONE = Keys()
QUICK = [
    pytest.param(
        Cell(scenario, strategy, destination),
        marks=[pytest.mark.thorough] if scenario in HOSTILE else [],
    )
    for scenario in scenarios(SEED)
    for strategy, destination in scenario.quick
]


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    """Destinations, with moto if a cell needs it."""
    with Targets() as made:
        yield made


@pytest.mark.e2e
@pytest.mark.parametrize("cell", QUICK, ids=str)
def test_every_promise_is_kept(cell: Cell, targets: Targets, tmp_path: Path) -> None:
    """No event is lost or twice, and no invocation is held, as the scenario promises."""
    result = run_cell(cell, targets, tmp_path)
    assert figures(result).broken == (), result.outcome.extension_lines
    assert result.books.sent > 0


@pytest.fixture(scope="module")
def calm(targets: Targets, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A cell without a fault, whose books are spoilt in what follows."""
    scenario = Scenario(name="calm", says="nothing", steps=((("say", 3, 100),),), invocations=2)
    result = run_cell(Cell(scenario, "end", "file"), targets, tmp_path_factory.mktemp("calm"))
    assert figures(result).broken == ()
    return result


def recounted(calm: Result, final: Table, **promise: Any) -> Result:
    """Close the books again over another table, with another promise."""
    counted = books([calm.outcome], acknowledged_keys(calm.outcome), (final, NONE, NONE), final)
    scenario = replace(calm.cell.scenario, promise=Promise(**promise))
    return replace(calm, books=counted, cell=replace(calm.cell, scenario=scenario))


def spoilt(calm: Result) -> tuple[Keys, str]:
    """Return all that was acknowledged, and the name of one of the lines."""
    sent = acknowledged_keys(calm.outcome)
    return sent, next(key for key in sent if key.startswith("m"))


def test_an_event_that_is_nowhere_is_lost(calm: Result) -> None:
    """However much else is there."""
    sent, one = spoilt(calm)
    found = recounted(calm, Table(sent - Keys({one: 1}), ()))
    assert (found.books.lost, found.books.committed) == (1, sent.total() - 1)
    (problem,) = figures(found).broken
    assert problem == f"1 of {sent.total()} events are lost without a row"


def test_an_event_that_a_row_says_was_dropped_is_not_lost(calm: Result) -> None:
    """But an event may be dropped only if the scenario allows it."""
    sent, one = spoilt(calm)
    table = Table(sent - Keys({one: 1}), ({"droppedRecords": "1"},))
    found = recounted(calm, table)
    assert (found.books.lost, found.books.dropped) == (0, 1)
    assert figures(found).broken == ("1 events were dropped",)
    assert figures(recounted(calm, table, may_drop=True)).broken == ()


def test_a_row_too_many_is_there_twice(calm: Result) -> None:
    """Counted against what was generated: what was stored unacknowledged is no copy."""
    sent, one = spoilt(calm)
    assert figures(recounted(calm, Table(sent + Keys({one: 1}), ()))).broken == (
        "1 rows are there twice",
    )


def test_a_loss_that_is_none_breaks_a_promise(calm: Result) -> None:
    """A reader of the rows of losses would search for events that exist."""
    sent, _ = spoilt(calm)
    found = recounted(calm, Table(sent, ({"droppedRecords": "3"},)), may_drop=True)
    assert figures(found).broken == ("rows say of 3 events that they are lost, and they are not",)


def test_a_table_that_is_not_what_it_says_breaks_a_promise(calm: Result) -> None:
    """Rows that a snapshot counts and no reader finds; or a file no reader can open."""
    sent, _ = spoilt(calm)
    found = recounted(calm, Table(sent, (), claimed=10))
    assert figures(found).broken == ("the rows the table speaks of are +10 against those it has",)
    found = recounted(calm, Table(sent, (), unreadable="no magic bytes"))
    assert figures(found).broken == ("the table cannot be read: no magic bytes",)


def test_what_an_adversary_brings_about_breaks_a_promise(calm: Result) -> None:
    """And one that did nothing proves nothing."""
    found = replace(calm, problems=("a committer ended with status 1: no",))
    assert figures(found).broken == ("a committer ended with status 1: no",)
    scenario = replace(calm.cell.scenario, promise=Promise(struck=2))
    found = replace(calm, struck=1, cell=replace(calm.cell, scenario=scenario))
    assert figures(found).broken == ("the adversary struck only 1 times, not 2",)


def test_records_of_a_request_are_counted_by_its_scope(tmp_path: Path) -> None:
    """They have no names of their own, in the spool as in the ledger of who sent them."""
    ledger = tmp_path / "ledger"
    ledger.write_text("? otlp-a-1 3\n+ otlp-a-1 3\n? otlp-a-2 5\n")
    found = ledger_of(ledger)
    assert (found.sent, found.taken) == ({"otlp-a-1": 3, "otlp-a-2": 5}, {"otlp-a-1": 3})
    scope = field(1, field(1, b"otlp-a-1")) + field(2, b"") * 3
    spool = Spool(tmp_path / "spool", 1 << 20, 0)
    spool.append(field(1, field(2, scope)), 1, 3, FrameKind.OTLP_LOGS)
    assert spool_of(tmp_path) == {"otlp-a-1": 3}


@pytest.mark.parametrize("number", [0, 1, 127, 128, 200_000])
@pytest.mark.parametrize("message", ["", "short", "long" * 100])
def test_records_of_a_partial_success_stay_the_exporters(number: int, message: str) -> None:
    """The answer has the number of refused records, so they are no loss of ours."""
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = number
    answer.partial_success.error_message = message
    assert rejected(answer.SerializeToString()) == number
    assert rejected(b"") == 0


def test_what_is_only_in_the_spool_after_shutdown_breaks_a_promise(calm: Result) -> None:
    """Lambda removes the spool with the sandbox. It is not lost if another process follows."""
    sent, one = spoilt(calm)
    after = Table(sent - Keys({one: 1}), ())
    counted = books([calm.outcome], sent, (after, NONE, Keys({one: 1})), Table(sent, ()))
    assert (counted.spool, counted.lost) == (1, 0)
    assert figures(replace(calm, books=counted)).broken == (
        "1 events were still in the spool after SHUTDOWN",
    )


def test_a_fault_that_did_not_happen_proves_nothing(calm: Result) -> None:
    """A kill that came too late is not a kill survived."""
    sent, _ = spoilt(calm)
    found = recounted(calm, Table(sent, ()), kills=2, redelivered=1, failed=1)
    assert figures(found).broken == (
        "0 invocations failed, not 1",
        "only 0 extensions were killed, not 2",
        "only 0 deliveries were sent again, not 1",
    )


def test_the_docs_get_the_rows_and_keep_their_prose(calm: Result, tmp_path: Path) -> None:
    """A repeated cell gets its old place. Broken promises are listed before the table."""
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    first, second = (report.entry(judged(calm)) | {"scenario": name} for name in ("one", "two"))
    again = first | {"broken": ["it was lost"], "sent": 4_321}
    facts = {"minutes": 1, "machine": "M", "isolation": "I", "seed": 1, "date": "D"}
    facts |= {"skipped": [], "again": 0}
    for rows in ([first, second], report.merged([first, second], [again])):
        report.write(tmp_path, {**facts, "cells": rows}, [calm.cell.scenario])
    assert report.measured(tmp_path)["cells"] == [again, second]
    before, told, after = re.split("<!--.*-->\n", page.read_text())
    assert (before, after) == ("before\n", "after\n")
    assert "- one / end / file: it was lost" in told
    assert told.index("| one | end | file | 4321 |") < told.index("| two | end | file |")


def test_every_scenario_can_be_told_apart() -> None:
    """The report and `--only` identify scenarios by name."""
    names = [scenario.name for scenario in scenarios(SEED)]
    assert len(set(names)) == len(names)
    assert scenarios(SEED) == scenarios(SEED)
    assert scenarios(SEED) != scenarios(SEED + 1)
