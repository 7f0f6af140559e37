"""The page of tables and queries: generated from its sources, and every query has its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import page
import pytest
import sqlglot
from demo_rows import DECLINED, INVOCATIONS, NOW_US, batches
from places import soon, sqlite
from sqlglot import exp

from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.cost.prices import LIST_PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

QUESTIONS = {question.name: question for question in page.questions()}
REQUEST = INVOCATIONS[2].request
HOUR = NOW_US // 3_600_000_000 * 3_600_000_000
ENDS = [i.at_us(i.ms + 1) for i in INVOCATIONS]
LINE = INVOCATIONS[2].line
REPORT = (
    f"REPORT RequestId: {REQUEST} Duration: 900.00 ms Billed Duration: 900 ms "
    "Memory Size: 512 MB Max Memory Used: 120 MB Status: failure"
)
at = INVOCATIONS[2].at_us
ANSWERS: Mapping[str, list[tuple[Any, ...]]] = {
    "01_errors": [("orders", 3, 1, 1, DECLINED), ("till", 1, 0, 0, None)],
    "02_slowest": [
        (ENDS[n], INVOCATIONS[n].function, INVOCATIONS[n].request, INVOCATIONS[n].ms)
        for n in (2, 0, 3, 1)
    ],
    "03_cold_starts": [
        ("orders", 3, 1, 33.3, 350.0, 350.0),
        ("till", 1, 1, 100.0, 800.0, 800.0),
    ],
    "04_memory": [("till", 512, 500, 12, 97.7), ("orders", 512, 120, 392, 23.4)],
    "05_request": [
        (at(0), "platform.start", "INFO", f"START RequestId: {REQUEST} Version: 1"),
        (at(5), "function", "INFO", LINE),
        (at(10), "function", "ERROR", DECLINED),
        (at(900), "platform.runtimeDone", "WARN", f"END RequestId: {REQUEST} Version: 1"),
        (at(901), "platform.report", "WARN", REPORT),
    ],
    "06_trace": [
        (at(0), "orders", "53995c3f42cd0003", "span", "orders", 900.0),
        (at(0), "orders", None, "log", f"START RequestId: {REQUEST} Version: 1", None),
        (at(5), "orders", None, "log", LINE, None),
        (at(7), "orders", "a3995c3f42cd0003", "span", "charge", 2.0),
        (at(10), "orders", None, "log", DECLINED, None),
        (at(900), "orders", None, "log", f"END RequestId: {REQUEST} Version: 1", None),
        (at(901), "orders", None, "log", REPORT, None),
    ],
    "07_cost": [("orders", 3, 0.695, 1.2e-05), ("till", 1, 0.415, 7e-06)],
    "08_operations": [
        ("orders", "orders", 3, pytest.approx(900, rel=0.15), 1),
        ("till", "till", 1, 30.0, 0),
        ("orders", "charge", 3, 2.0, 1),
        ("till", "charge", 1, 2.0, 0),
    ],
    "09_exceptions": [("orders", "PaymentDeclinedError", 1)],
    "10_hours": [(HOUR, "orders", 2.0, 1.0), (HOUR, "till", 1.0, None)],
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Two functions' rows in Iceberg tables, opened for reading."""
    place = sqlite(tmp_path_factory.mktemp("lake"))
    destination = place.open()
    for batch in batches():
        destination.store(batch, commit_follows=True)
    destination.commit(soon())
    return query.connect(place.url)


def answer(lake: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Run a query as a user does who puts in a request id; times become microseconds."""
    found = lake.sql(sql.replace("REQUEST_ID", REQUEST))
    shown = [
        f"epoch_us({column})" if str(type_).startswith("TIMESTAMP") else column
        for column, type_ in zip(found.columns, found.types, strict=True)
    ]
    return found.project(", ".join(shown)).fetchall()


def test_the_page_is_made_from_the_tables_and_the_queries() -> None:
    """`make docs` was forgotten."""
    assert (page.DOCS / "schema.md").read_text() == page.page()
    assert page.ROWS.keys() == TABLES.keys()


@pytest.mark.parametrize("name", QUESTIONS)
def test_duckdb_gives_the_answer(lake: duckdb.DuckDBPyConnection, name: str) -> None:
    """The text is that of the page."""
    assert answer(lake, QUESTIONS[name].queries["duckdb"]) == ANSWERS[name]


@pytest.mark.parametrize("name", QUESTIONS)
def test_athenas_query_is_in_its_dialect_and_gives_the_same_answer(
    lake: duckdb.DuckDBPyConnection, name: str
) -> None:
    """Read by a parser of Athena's SQL that refuses what it does not know, and translated."""
    (tree,) = sqlglot.parse(
        QUESTIONS[name].queries["athena"], read="athena", error_level=sqlglot.ErrorLevel.RAISE
    )
    assert tree is not None
    assert [node.name for node in tree.find_all(exp.Anonymous)] == []
    translated = tree.transform(_one_list_at_a_time).sql(
        dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    assert answer(lake, translated) == ANSWERS[name]


def _one_list_at_a_time(node: exp.Expression) -> exp.Expression:
    """Let DuckDB, whose UNNEST takes one list, do what Athena's does with several."""
    if not isinstance(node, exp.Unnest):
        return node
    names = [column.name for column in node.args["alias"].columns]
    terms = [
        exp.alias_(exp.func("UNNEST", each.copy()), name)
        for each, name in zip(node.expressions, names, strict=True)
    ]
    return exp.Lateral(this=exp.select(*terms).subquery(), alias=node.args["alias"].copy())


def test_every_question_has_both_dialects_and_is_asked_once() -> None:
    """The question itself is in both files."""
    assert len({question.asks for question in QUESTIONS.values()}) == len(QUESTIONS) == 10
    for path in page.DOCS.glob("queries/*.athena.sql"):
        other = path.with_name(path.name.replace("athena", "duckdb"))
        assert path.read_text().splitlines()[0] == other.read_text().splitlines()[0]


def test_prices_of_the_cost_query_are_those_of_the_cost_model() -> None:
    """Otherwise one of them would be forgotten."""
    for sql in (page.DOCS / "queries" / f"07_cost.{d}.sql" for d in page.DIALECTS):
        text = sql.read_text()
        for name in ("lambda_x86_64", "lambda_arm64"):
            assert f"{LIST_PRICES[name].tiers[0].usd:.10f}" in text
        requests = LIST_PRICES["lambda_requests"]
        assert f"{requests.tiers[0].usd / requests.per:.7f}" in text
