"""`docs/schema.md`: every table's columns, and queries; made from `tables/` and `docs/queries/`.

python tests/schema/page.py > docs/schema.md     what `make docs` does
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.records.mapping import shapes
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.records.tables.columns import Column

DOCS = Path(__file__).parents[2] / "docs"
DIALECTS = {"duckdb": "DuckDB", "athena": "Athena"}
ROWS = {
    "logs": "A row for each log record. Platform events are log records, too.",
    "traces": "A row for each span.",
    "metrics_gauge": "A row for each point of a gauge: a value at a time.",
    "metrics_sum": "A row for each point of a sum: an increase (delta) or a total (cumulative).",
    "metrics_histogram": "A row for each point of a histogram with explicit bounds.",
    "metrics_exponential_histogram": "A row for each point of an exponential histogram.",
    "metrics_summary": "A row for each point of a summary: quantiles that the source computed.",
}

KEYS = {
    "Body": (*shapes.MESSAGE_KEYS, "fields.message", "errorMessage"),
    "SeverityText": shapes.LEVEL_KEYS,
    "SeverityNumber": (*shapes.NUMBER_KEYS, "level"),
    "Timestamp": shapes.TIME_KEYS,
    "FaasInvocationId": shapes.REQUEST_KEYS,
    "TraceId": shapes.TRACE_KEYS,
    "SpanId": shapes.SPAN_KEYS,
    "TraceFlags": shapes.FLAG_KEYS,
}


class Question(NamedTuple):
    """One question, and the queries that answer it.

    Attributes:
        name: the name of its files, without the dialect.
        asks: the question.
        note: a further explanation; may be empty.
        queries: by dialect.
    """

    name: str
    asks: str
    note: str
    queries: dict[str, str]


def questions() -> list[Question]:
    """Read them from `docs/queries/`: comments at the top are the question and the note."""
    found = []
    for path in sorted(DOCS.glob("queries/*.duckdb.sql")):
        name = path.name.partition(".")[0]
        texts = {d: path.with_name(f"{name}.{d}.sql").read_text() for d in DIALECTS}
        comments = [line[3:] for line in texts["duckdb"].splitlines() if line.startswith("-- ")]
        queries = {dialect: _without_comments(text) for dialect, text in texts.items()}
        found.append(Question(name, comments[0], " ".join(comments[1:]), queries))
    return found


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def table(name: str, columns: Sequence[Column]) -> str:
    """Return a table's part of the page."""
    lines = [f"## `{name}`", "", ROWS[name], "", "| id | column | type | null | what |"]
    lines += ["|---|---|---|---|---|"]
    for c in columns:
        ids = f"{c.field_id} ({c.element_id})" if c.element_type else str(c.field_id)
        null = "yes" if c.nullable else "elements" if c.element_nullable else ""
        lines.append(f"| {ids} | `{c.name}` | `{c.type}` | {null} | {c.doc} |")
    return "\n".join(lines)


def query(question: Question) -> str:
    """Return a question's part of the page; a single query if it is the same in both dialects."""
    lines = [f"### {question.asks}", ""]
    lines += [question.note, ""] if question.note else []
    texts = question.queries
    if texts["duckdb"] == texts["athena"]:
        return "\n".join([*lines, "DuckDB and Athena:", "", _code(texts["duckdb"])])
    parts = [f"{DIALECTS[dialect]}:\n\n{_code(text)}" for dialect, text in texts.items()]
    return "\n".join(lines) + "\n" + "\n\n".join(parts)


def _code(sql: str) -> str:
    return f"```sql\n{sql}\n```"


def page() -> str:
    """Return the whole page."""
    tables = "\n\n".join(table(name, columns) for name, columns in TABLES.items())
    queries = "\n\n".join(query(question) for question in questions())
    return PAGE.format(
        tables=tables,
        queries=queries,
        keys="\n".join(f"| `{column}` | {_codes(keys)} |" for column, keys in KEYS.items()),
        errors=_codes(shapes.ERROR_KEYS),
        objects=_codes(shapes.ERROR_OBJECT_KEYS),
        nesting=_codes(shapes.NESTING_KEYS),
    )


def _codes(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


PAGE = """\
# Tables

Made from `otlp2parquet_ext/records/tables/` and `docs/queries/` by `make docs`; do not edit.

For everybody who queries the telemetry: the columns of each table, and ready queries for common
questions.

There are seven tables. Each is created with its first rows. `OTLP2PARQUET_TABLE_…` gives them
other names ([configuration.md](configuration.md)). Plain Parquet has folders `logs/`, `traces/`,
`metrics/gauge/`, … ([destinations.md](destinations.md)).

- **Names** are in lower case in S3 Tables and Glue (`servicename`), because these allow no
  capitals. A query may use either. Ids, types and order are the same everywhere. The number in
  brackets after the id of a list is the id of its elements.
- **Types** are those of Iceberg. `timestamptz` is UTC in microseconds; nanoseconds are cut off.
- **`Timestamp`** of a log record is the time in the record, if that is near the time at which
  Lambda got the record: at most 300 s before or after it (`OTLP2PARQUET_RECORD_TIME_MS`). Any other
  time in a record is that of something the record tells about, for example a replayed order. It
  stays an attribute, and `Timestamp` is the time at which Lambda got the record.
- **Attributes** are JSON text. Read one with `LogAttributes ->> 'faas.coldstart'` in DuckDB, and
  with `json_extract_scalar(LogAttributes, '$["faas.coldstart"]')` in Athena. Keys keep the order
  of the source. A NaN or an infinity is a string, bytes are base64, whole numbers are exact.
- **Ids of traces and spans** are lower-case hex in every table, so you can join by them. You can
  also join by `FaasInvocationId`, the request id.
- **`FaasInvocationId`** of a log record is the id in the record, if Lambda named an invocation by
  that id, or if the record has it under a key of Lambda's runtimes and Powertools, for example
  `function_request_id` or `AWSRequestId`. Any other id, for example `requestId` of API Gateway or
  DynamoDB, stays an attribute. The row then belongs to the invocation that ran at its time.
- **Iceberg tables** are partitioned by `day(Timestamp)`. A query that limits the time reads only
  the files of those days.

{tables}

## What a record says

Loggers write the same things under many keys. For a record of a function or an extension, an object
or a line that is one, the first of these keys that has a usable value fills the column. All others
stay attributes, so no field is lost.

| column | keys, the first one first |
|---|---|
{keys}

- `SeverityNumber` follows the level word in any case, short words included (`WRN`, `FTL`, `E`). A
  number counts under `level` only, as pino and bunyan write it: 10 is TRACE, 60 is FATAL; it also
  stays an attribute. ECS may nest `level` in an object `log`. Serilog's compact records without
  `@l` are INFO.
- An error without a level is ERROR: a record with one of {errors}, or with an object that has a
  stack, a type or a message under one of {objects}; a line of text that is a stack trace, a panic,
  or Go's error object behind a date.
- A number is a time in the unit, from seconds to nanoseconds, that is near the event's time.
- A request id is also found in {nesting}: spans of Rust's tracing, contexts of Logback and Log4j.

## Queries

A test runs each query on a table that was written through a real destination
(`tests/schema/test_queries.py`). The query for DuckDB runs unchanged. The one for Athena is parsed
in Athena's dialect, translated, and its result is compared with DuckDB's. The files are in
`docs/queries/`.

```sh
otlp2parquet-ext query "$DESTINATION" "$(cat docs/queries/02_slowest.duckdb.sql)"
```

{queries}
"""

if __name__ == "__main__":
    sys.stdout.write(page())
