"""`otlp2parquet-ext tail`: the latest rows of the table of logs in a terminal.

    a poll --Window--> rows not shown yet, in order --line--> 09:26:53.500 INFO  orders 8476a536 …

Rows arrive late and out of order, because each environment commits at its own time. So `--follow`
reads the last minutes again at each poll and finds the new rows, instead of reading only rows after
the last one.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypeAlias

from otlp2parquet_ext.tools import query
from otlp2parquet_ext.tools.arguments import LEVELS, MOST_ROWS
from otlp2parquet_ext.tools.terminal import clean, clean_line, show_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

LATE_S = 900
"""Longest delay from a row's time to its visibility with which `--follow` still shows it."""
LAST_S = 253_402_300_799
"""Unix seconds of the end of the year 9999; a forged row may be later."""
MOST_CHARS = 2_000
TRIES = 10
CREDENTIALS_S = 600
"""Seconds after which a connection is reopened, because its credentials expire."""
COLUMNS = (
    "Timestamp",
    "SeverityNumber",
    "SeverityText",
    "ServiceName",
    "FaasInvocationId",
    "EventName",
    "Body",
    "TraceId",
    "LogAttributes",
)
MISSED = (
    f"more than {MOST_ROWS:,} rows at once: some are not shown; --function, --level or --grep make "
    "them fewer"
)
COLOURS = ((17, "\x1b[31m"), (13, "\x1b[33m"), (9, ""), (1, "\x1b[2m"), (0, ""))
DIM, RESET = "\x1b[2m", "\x1b[0m"
# The prefix of a runtime's text line, whose level, time and request id have their own columns.
_PREFIX = re.compile(
    r"(?:\[[A-Za-z]+\]\s+)?(?:\d{4}-\d\d-\d\d[T ]\S+\s+)?(?:[0-9a-f]{8}-[0-9a-f-]{27}\s+)?"
    r"(?:(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|undefined)\s+)?"
)

Row: TypeAlias = tuple[Any, ...]


class TailQuery(NamedTuple):
    """The wanted rows: `level` is the least severity number, `grep` a regular expression or ""."""

    since_s: int
    function: str
    level: int
    grep: str


def run(args: argparse.Namespace) -> int:
    """Print rows; return 1 if there is nothing to read, or reading fails."""
    wanted = TailQuery(
        args.since, args.function or "", LEVELS[args.level] if args.level else 0, args.grep
    )
    shown = _Screen(sys.stdout, as_json=args.json)
    try:
        with suppress(KeyboardInterrupt):
            _tail(_Table(args.destination, wanted), shown, args)
    except BrokenPipeError:
        # The reader has closed the pipe. Prevent the interpreter's error message at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except query.QueryError as error:
        show_error(f"otlp2parquet-ext tail: {error}")
        return 1
    return 0


def _tail(table: _Table, screen: _Screen, args: argparse.Namespace) -> None:
    window, failures = Window(args.since, args.lines), 0
    while True:
        try:
            screen.show(window.new(table.rows(), time.time_ns() // 1_000))
            failures = 0
        except query.NothingThereError as error:
            if not args.follow:
                raise
            screen.note(f"{error}; waiting for it")
        except query.QueryError as error:
            # A catalog may be unavailable for a moment; a destination that never answered is wrong.
            failures += 1
            if not args.follow or window.fresh or failures >= TRIES:
                raise
            screen.note(str(error))
        if window.missed:
            screen.note(MISSED)
        if not args.follow:
            return
        time.sleep(args.every)


class Window:
    """Finds new rows by comparing each poll with the previous one.

    Args:
        since_s: the first poll shows no older rows.
        lines: most rows shown of the first poll.

    Attributes:
        fresh: there was no poll yet.
        missed: rows may have passed between two polls unseen.
    """

    def __init__(self, since_s: int, lines: int) -> None:
        self._since_us, self._lines = since_s * 1_000_000, lines
        self._seen: Counter[int] = Counter()
        self.fresh, self.missed = True, False

    def new(self, rows: Sequence[Row], now_us: int) -> list[Row]:
        """Return the rows of a poll, oldest first, that were not in the previous one.

        Equal rows are counted: if there are three and were two, one is new.
        """
        here: Counter[int] = Counter()
        found = []
        for row in rows:
            key = hash(row)
            here[key] += 1
            if here[key] > self._seen[key]:
                found.append(row)
        first, self.fresh = self.fresh, False
        self.missed = not first and len(found) == len(rows) >= MOST_ROWS
        self._seen = here
        if first:
            found = [row for row in found if row[0] >= now_us - self._since_us][-self._lines :]
        return found


class _Table:
    """The logs table, reopened when it has a new snapshot.

    Args:
        destination: as in `OTLP2PARQUET_DESTINATION`.
        wanted: the wanted rows.
    """

    def __init__(self, destination: str, wanted: TailQuery) -> None:
        self._destination, self._wanted = destination, wanted
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._snapshot, self._opened = "", 0.0

    def rows(self) -> list[Row]:
        """Return the newest rows, oldest first; times are Unix microseconds."""
        seconds = max(self._wanted.since_s, LATE_S)
        since = datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(sep=" ")
        columns = ", ".join(("epoch_us(Timestamp)", *COLUMNS[1:]))
        given = {"function": self._wanted.function, "level": self._wanted.level}
        where = [f"Timestamp >= TIMESTAMPTZ '{since}'", "SeverityNumber >= $level"]
        where += ["ServiceName = $function"] if self._wanted.function else ["$function = ''"]
        if self._wanted.grep:
            where.append("regexp_matches(concat_ws(' ', ServiceName, FaasInvocationId, Body), $re)")
        parameters = given | ({"re": self._wanted.grep} if self._wanted.grep else {})
        sql = (
            f"SELECT {columns} FROM logs WHERE {' AND '.join(where)} "  # noqa: S608 - constants
            f"ORDER BY Timestamp DESC, EventName DESC LIMIT {MOST_ROWS}"
        )
        return query.rows(self._open(), sql, parameters)[::-1]

    def _open(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the current snapshot, with valid credentials."""
        snapshot = query.snapshot(self._destination)
        now = time.monotonic()
        if self._connection and snapshot == self._snapshot and now < self._opened + CREDENTIALS_S:
            return self._connection
        self.close()
        self._connection = query.connect(self._destination)
        self._snapshot, self._opened = snapshot, now
        try:
            query.require(self._connection, "logs")
        except query.NothingThereError:
            self.close()
            raise
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Screen:
    """Writes rows: to a terminal in colours, to a pipe without, or as JSON."""

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        self._out, self._json = out, as_json
        self._colours = out.isatty() and not os.environ.get("NO_COLOR")
        self._noted = ""

    def show(self, rows: Iterable[Row]) -> None:
        """Write rows, one line each, or more if a text has several."""
        for row in rows:
            text = as_json(row) if self._json else as_line(row, colours=self._colours)
            self._out.write(text + "\n")
        self._out.flush()

    def note(self, text: str) -> None:
        """Write a note that is no row; the same note is not repeated."""
        if text != self._noted:
            show_error(f"otlp2parquet-ext tail: {text}")
        self._noted = text


def as_line(row: Row, *, colours: bool) -> str:
    """Return a row as text: time (UTC), level, function, first 8 of the request id, body."""
    at_us, number, level, function, request, event, body = row[:7]
    at = _moment(at_us)
    text = clean(body or "")
    text = _PREFIX.sub("", text, count=1) if event == "function" else text
    if len(text) > MOST_CHARS:
        text = f"{text[:MOST_CHARS]} … {len(text) - MOST_CHARS:,} more characters"
    text = text.rstrip("\n").replace("\n", "\n    ")
    text = text or clean_line(event or "")
    head = f"{at:%H:%M:%S}.{at.microsecond // 1_000:03}"
    who = f"{clean_line(function)} {clean_line(request or '-')[:8]:8}"
    level = clean_line(level)[:5] or "-"
    if not colours:
        return f"{head} {level:5} {who} {text}"
    colour = next(code for least, code in COLOURS if number >= least)
    return f"{DIM}{head}{RESET} {colour}{level:5}{RESET} {DIM}{who}{RESET} {colour}{text}{RESET}"


def _moment(at_us: int) -> datetime:
    """Return a time; a time beyond the calendar becomes the last possible one."""
    return datetime.fromtimestamp(min(max(at_us, 0) / 1e6, LAST_S), UTC)


def as_json(row: Row) -> str:
    """Return a row as JSON; the time as RFC 3339, attributes as an object."""
    found: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    at = _moment(found["Timestamp"] // 1_000_000 * 1_000_000)
    found["Timestamp"] = f"{at:%Y-%m-%dT%H:%M:%S}.{found['Timestamp'] % 1_000_000:06}Z"
    found["LogAttributes"] = _attributes(found["LogAttributes"])
    return json.dumps(found, ensure_ascii=True)


def _attributes(text: str) -> Mapping[str, Any] | str:
    with suppress(ValueError, RecursionError):
        found: Mapping[str, Any] = json.loads(text)
        return found
    return text
