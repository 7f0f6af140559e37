"""Reads the facts of a report with DuckDB, and returns a `Report`.

The size of the result is bounded (`MOST_…`) for any table. DuckDB's memory is bounded by `MEMORY`;
beyond it, DuckDB uses a temporary folder.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from otlp2parquet_ext.tools.query import require, rows
from otlp2parquet_ext.tools.report import sql
from otlp2parquet_ext.tools.report.facts import (
    Bin,
    Function,
    LogLine,
    LossRow,
    Moment,
    Report,
    RequestSummary,
    Trouble,
)
from otlp2parquet_ext.tools.report.scales import step_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

MEMORY = "1GB"
MOST_SLOW, MOST_SLOW_OF_ONE = 20, 5
MOST_TROUBLES, MOST_LOSSES = 20, 10
MOST_LINES, MOST_CHARS = 40, 500
LONGEST_MS = 900_000
"""Longest invocation. Its first lines may be before the window although its report is within."""
AHEAD_MS = 86_400_000
"""Longest time by which a row may be ahead of now. Later rows are forged; with them, the chart
would reach the year 9999."""
DURATIONS = [n * 10.0**e for e in range(-1, 7) for n in (1, 1.5, 2, 3, 5, 7)]
SHARES = [float(percent) for percent in range(10, 101, 10)]


class ReportQuery(NamedTuple):
    """The scope of a report: times in Unix milliseconds; `function` is "" for all."""

    destination: str
    since_ms: int
    until_ms: int
    function: str = ""
    architecture: str = "x86_64"


def ask(connection: duckdb.DuckDBPyConnection, wanted: ReportQuery, scratch: str) -> Report:
    """Run all queries and return the report.

    Args:
        connection: a connection of `query.connect`.
        wanted: the scope.
        scratch: folder for data that does not fit into memory.

    Raises:
        QueryError: there is no table of logs, or it cannot be read.
    """
    return _ReportBuilder(connection, wanted, scratch).report()


def window(since_ms: int, until_ms: int, function: str) -> str:
    """Return the first condition of each statement over `logs`; a clock may be a day ahead."""
    found = f"Timestamp >= {_moment(since_ms)} AND {before(until_ms)}"
    name = function.replace("'", "''")
    return f"{found} AND ServiceName = '{name}'" if function else found


def before(until_ms: int) -> str:
    """Return the condition that excludes rows of the future."""
    return f"Timestamp < {_moment(until_ms + AHEAD_MS)}"


def _moment(at_ms: int) -> str:
    return f"TIMESTAMPTZ '{datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(sep=' ')}'"


class _ReportBuilder:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, wanted: ReportQuery, scratch: str
    ) -> None:
        self._connection = connection
        self._wanted = wanted
        require(connection, "logs")
        self._rows(f"SET memory_limit = '{MEMORY}'")
        self._rows("SET temp_directory = '{}'".format(scratch.replace("'", "''")))
        self._rows("SET preserve_insertion_order = false")
        for name, body in sql.MACROS.items():
            self._rows(f"CREATE TEMP MACRO {name} AS {body}")

    def report(self) -> Report:
        """Run the queries one after the other."""
        for statement in (sql.REPORTS, sql.ERRORS, sql.MARK, *sql.OUTCOME.split(";")):
            self._logs(statement)
        step, moments = self._moments()
        troubles, slowest = self._troubles(), self._slowest()
        asked = {r.request for r in slowest} | {t.request for t in troubles}
        lines = self._lines(asked - {""})
        total = self._functions("'all functions'")
        ((newest,),) = self._rows(sql.NEWEST.replace("{until}", before(self._wanted.until_ms)))
        wanted = self._wanted
        return Report(
            destination=wanted.destination,
            only=wanted.function,
            since_ms=wanted.since_ms,
            until_ms=wanted.until_ms,
            architecture=wanted.architecture,
            rows=self._logs(sql.ROWS)[0][0],
            newest_ms=newest,
            total=total[0] if total else Function("all functions", *_NOTHING),
            functions=self._functions("function"),
            step_ms=step,
            moments=moments,
            durations=self._histogram(sql.DURATION, DURATIONS),
            memory=self._histogram(sql.MEMORY, SHARES),
            inits=self._histogram(sql.INIT, DURATIONS),
            slowest=tuple(r._replace(**_of(lines, r.request)) for r in slowest),
            troubles=tuple(_with(t, lines) for t in troubles),
            losses=tuple(LossRow(*row) for row in self._logs(sql.LOSSES, limit=MOST_LOSSES)),
        )

    def _rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return rows(self._connection, statement, parameters)

    def _logs(
        self, statement: str, *, earlier_ms: int = 0, **parameters: Any
    ) -> list[tuple[Any, ...]]:
        wanted = self._wanted
        condition = window(wanted.since_ms - earlier_ms, wanted.until_ms, wanted.function)
        text = statement.replace("{window}", condition).replace("{long}", str(sql.LONG_TEXT))
        return self._rows(text, **parameters)

    def _functions(self, name: str) -> tuple[Function, ...]:
        found = self._rows(sql.FUNCTIONS.replace("{name}", name))
        return tuple(Function(*row) for row in found)

    def _moments(self) -> tuple[int, tuple[Moment, ...]]:
        """Return the step of time, and the steps from the first invocation to the last."""
        ((first, last),) = self._rows(sql.BETWEEN)
        if first is None:
            return 0, ()
        step = step_ms(last - first)
        found = {row[0]: Moment(*row) for row in self._rows(sql.MOMENTS, step=step)}
        starts = range(first // step * step, last + 1, step)
        return step, tuple(found.get(start, Moment(start, 0, 0, 0)) for start in starts)

    def _histogram(self, value: str, bounds: list[float]) -> tuple[Bin, ...]:
        """Return all bins between the first and the last that are not empty."""
        found = self._rows(sql.HISTOGRAM.replace("{value}", value), bounds=bounds)
        counts = {len(bounds) if bin_ is None or not bin_ else bin_ - 1: n for bin_, n in found}
        lows, highs = [0.0, *bounds], [*bounds, float("inf")]
        where = range(min(counts), max(counts) + 1) if counts else ()
        return tuple(Bin(lows[i], highs[i], counts.get(i, 0)) for i in where)

    def _slowest(self) -> list[RequestSummary]:
        functions = self._rows("SELECT count(DISTINCT function) FROM reports")[0][0]
        each = max(MOST_SLOW_OF_ONE, MOST_SLOW // max(functions, 1))
        found = self._rows(sql.SLOWEST_FLAT, each=each, limit=MOST_SLOW)
        return [RequestSummary(*row) for row in found]

    def _troubles(self) -> list[Trouble]:
        found = [*self._errors(), *self._failures(), *self._failed_inits()]
        found.sort(key=lambda t: (-t.times, t.function, t.message))
        return found[:MOST_TROUBLES]

    def _errors(self) -> Iterable[Trouble]:
        similar = self._rows(sql.SIMILAR, limit=MOST_TROUBLES)
        texts = {
            key: (message, body, chars)
            for key, message, body, chars in self._logs(
                sql.SAMPLES, message_hash=[r[0] for r in similar]
            )
        }
        for key, function, functions, times, requests, first, last, request in similar:
            message, body, chars = texts.get(key, ("", "", 0))
            yield Trouble(
                function, functions, _one_line(message), "line", times, requests, first, last,
                body or "", (chars or 0) - len(body or ""), request,
            )  # fmt: skip

    def _failures(self) -> Iterable[Trouble]:
        found = self._rows(sql.FAILURES, limit=MOST_TROUBLES)
        for reason, status, name, functions, times, requests, first, last, request, ms in found:
            text = "timed out" if status == "timeout" else f"ended with status {status}"
            text += f" ({reason})" if reason != status else ""
            one = status == "timeout" and ms and functions == 1
            after = f", typically after {ms / 1_000:,.1f} s" if one else ""
            yield Trouble(
                name, functions, _one_line(f"Invocation {text}{after}"), "invocation", times,
                requests, first, last, "", 0, request,
            )  # fmt: skip

    def _failed_inits(self) -> Iterable[Trouble]:
        found = self._logs(sql.INITS_FAILED, limit=MOST_TROUBLES)
        for reason, function, functions, times, first, last, body in found:
            yield Trouble(
                function, functions, _one_line(f"Initialisation failed: {reason}"),
                "initialisation", times, 0, first, last, body or "", 0, "",
            )  # fmt: skip

    def _lines(self, requests: set[str]) -> Mapping[str, tuple[tuple[LogLine, ...], int]]:
        """Return the lines of each request, and the number of omitted ones."""
        found = self._logs(
            sql.LINES,
            earlier_ms=LONGEST_MS,
            requests=sorted(requests),
            each=MOST_LINES,
            chars=MOST_CHARS,
        )
        lines: dict[str, tuple[tuple[LogLine, ...], int]] = defaultdict(lambda: ((), 0))
        for request, group in itertools.groupby(found, key=lambda row: str(row[0])):
            mine = list(group)
            lines[request] = (tuple(_line(row) for row in mine), mine[0][-1] - len(mine))
        return lines


_NOTHING: Sequence[Any] = (
    0,
    0,
    0,
    0,
    0,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    0,
    0.0,
    None,
)


def _line(row: tuple[Any, ...]) -> LogLine:
    _, at_ms, severity, level, event, text, chars, _ = row
    return LogLine(at_ms, severity, level, event, text, chars - len(text))


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "(no text)"


def _of(lines: Mapping[str, tuple[tuple[LogLine, ...], int]], request: str) -> dict[str, Any]:
    found, more = lines[request]
    return {"lines": found, "more": more}


def _with(trouble: Trouble, lines: Mapping[str, tuple[tuple[LogLine, ...], int]]) -> Trouble:
    found, more = lines[trouble.request]
    return trouble._replace(lines=found, more_lines=more)
