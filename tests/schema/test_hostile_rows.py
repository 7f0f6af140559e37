"""No forged row stops a documented query or a report, or changes what honest rows answer."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any

import duckdb
import page
import pyarrow as pa
import pytest
import sqlglot
from demo_rows import INVOCATIONS, NOW_US, batches
from hostile_rows import FORGER, TIMES, all_tables
from sqlglot import exp

from otlp2parquet_ext.records.tables.registry import TABLES, arrow
from otlp2parquet_ext.tools.demo import COUNTS, ERROR, SLOWEST
from otlp2parquet_ext.tools.report import questions
from otlp2parquet_ext.tools.report.page import page as report_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp2parquet_ext.tools.report.facts import Report

REQUEST = INVOCATIONS[2].request
PAGES = ("signals.md", "otlp.md")
QUESTIONS = {question.name: question for question in page.questions()}
DOCUMENTED = {
    **{name: question.queries["duckdb"] for name, question in QUESTIONS.items()},
    **{
        f"{name} {number}": sql
        for name in PAGES
        for number, sql in enumerate(
            re.findall(r"```sql\n(.*?)```", (page.DOCS / name).read_text(), re.DOTALL)
        )
    },
    "demo, counts": COUNTS,
    "demo, slowest": SLOWEST,
    "demo, error": ERROR,
    "demo, next": "SELECT SeverityText AS level, count(*) AS lines FROM logs GROUP BY 1",
}


def opened(*, hostile: bool) -> duckdb.DuckDBPyConnection:
    """Open honest rows, with the forger's among them."""
    parts: dict[str, list[pa.Table]] = {name: [arrow(name).empty_table()] for name in TABLES}
    for batch in batches():
        for name, found in batch.tables.items():
            parts[name].append(found)
    for name, found in all_tables().items() if hostile else ():
        parts[name].append(found)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, tables in parts.items():
        connection.register(name, pa.concat_tables(tables))
    return connection


@pytest.fixture(scope="module")
def honest() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two functions' rows."""
    with opened(hostile=False) as connection:
        yield connection


@pytest.fixture(scope="module")
def mixed() -> Iterator[duckdb.DuckDBPyConnection]:
    """The same, and forged ones."""
    with opened(hostile=True) as connection:
        yield connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """Run a query; return its honest rows as text."""
    # `query` prints them as text: no time is out of range there.
    found = connection.sql(sql.replace("REQUEST_ID", REQUEST))
    columns = ", ".join(f'CAST("{column}" AS VARCHAR)' for column in found.columns)
    rows = [repr(row) for row in found.project(columns).fetchall()]
    return [row for row in rows if FORGER not in row]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_query_answers_the_same_for_honest_rows(
    honest: duckdb.DuckDBPyConnection, mixed: duckdb.DuckDBPyConnection, name: str
) -> None:
    """One forged row must not hide all others, as a CAST of it would by ending the query."""
    sql = DOCUMENTED[name]
    grouped = {"demo, counts", "demo, error", "demo, next"}
    if name in grouped:  # they ask about all rows at once
        answer(mixed, sql)
        return
    assert answer(mixed, sql) == answer(honest, sql)


@pytest.mark.parametrize("name", QUESTIONS)
def test_athenas_query_answers_the_same_for_honest_rows(
    honest: duckdb.DuckDBPyConnection, mixed: duckdb.DuckDBPyConnection, name: str
) -> None:
    """Translated; Athena's `json_extract_scalar` gives null for what is no JSON."""
    sql = QUESTIONS[name].queries["athena"]
    (tree,) = sqlglot.parse(sql, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    assert tree is not None
    casts = [cast for cast in tree.find_all(exp.Cast) if not isinstance(cast.this, exp.Literal)]
    assert all(isinstance(cast, exp.TryCast) for cast in casts)
    if tree.find(exp.Unnest):
        return  # its lists have to be unequal here, which DuckDB's join of them is not made for
    translated = tree.transform(_lenient).sql(dialect="duckdb")
    assert answer(mixed, translated) == answer(honest, translated)


def _lenient(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.JSONExtractScalar):
        node.set("this", exp.TryCast(this=node.this.copy(), to=exp.DataType.build("JSON")))
    return node


def test_every_documented_query_is_among_them() -> None:
    """A block that the pattern misses would be a guess again."""
    written = sum((page.DOCS / name).read_text().count("```sql") for name in PAGES)
    assert len(DOCUMENTED) == len(QUESTIONS) + written + 4


def ask(connection: duckdb.DuckDBPyConnection, function: str = "") -> Report:
    """Ask for a report of the last day, as the command does."""
    now_ms = NOW_US // 1_000 + 3_600_000
    wanted = questions.ReportQuery("file:///lake", now_ms - 86_400_000, now_ms, function)
    with tempfile.TemporaryDirectory() as scratch:
        return questions.ask(connection, wanted, scratch)


def test_a_report_has_the_same_figures_for_honest_functions() -> None:
    """It runs eighteen queries. None of them fails, and the page is written."""
    with opened(hostile=False) as one, opened(hostile=True) as other:
        before, after = ask(one), ask(other)
    kept = [function for function in after.functions if function.name != FORGER]
    assert kept == list(before.functions)
    assert len(after.moments) < 200
    text = report_page(after)
    assert "\x1b" not in text
    assert not set(text) & set("\u202e\u2066\u2069\u200b\U000e0041\x9b\x07\x00")


def test_a_report_of_one_function_is_the_same() -> None:
    """Rows of others do not matter there at all."""

    def figures(report: Report) -> tuple[Any, ...]:
        return (report.functions, report.moments, report.slowest, report.troubles, report.rows)

    with opened(hostile=False) as one, opened(hostile=True) as other:
        assert figures(ask(one, "orders")) == figures(ask(other, "orders"))


def test_hostile_times_are_beyond_every_calendar() -> None:
    """Otherwise the tests above would prove less."""
    assert max(TIMES) > 253_402_300_799_999_999
    assert min(TIMES) < 0
