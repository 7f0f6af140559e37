"""`otlp2parquet-ext query`.

Runs one SQL statement in DuckDB over a destination and prints its rows. Each table with rows has a
view: logs, traces, metrics_gauge, metrics_sum, metrics_histogram, metrics_exponential_histogram,
metrics_summary. Times are in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.terminal import show, show_error

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  otlp2parquet-ext query s3://bucket/prefix "SELECT count(*) FROM logs"
  otlp2parquet-ext query "glue://otel?warehouse=s3://bucket/lake" \\
    "SELECT servicename, body FROM logs WHERE severitynumber >= 17 LIMIT 20"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "destination", metavar="DESTINATION", help="a URL, as in OTLP2PARQUET_DESTINATION"
    )
    parser.add_argument("sql", metavar="SQL", help="one statement, in quotes")


def run(chosen: argparse.Namespace) -> int:
    """Print the rows; return 1 if there is nothing to read, or DuckDB refuses the statement."""
    from otlp2parquet_ext.tools.query import QueryError, connect, table_text  # noqa: PLC0415 - heavy

    try:
        show(table_text(connect(chosen.destination), chosen.sql))
    except QueryError as error:
        show_error(error)
        return 1
    return 0
