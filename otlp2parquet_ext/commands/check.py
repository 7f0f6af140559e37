"""`otlp2parquet-ext check`.

Says what a destination is before a function writes to it: can files be written there, what tables
are there, and do our columns fit? With --create the tables named by --tables are made, by whoever
may, so that functions need no right to.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from otlp2parquet_ext.settings.lake import OTHER_TABLES

if TYPE_CHECKING:
    import argparse

TABLES = ("logs", *(name for name, _ in OTHER_TABLES))
EXAMPLES = """\
  otlp2parquet-ext check s3://bucket/prefix
  otlp2parquet-ext check "glue://otel?warehouse=s3://bucket/lake" --create --tables logs,traces
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "destination", metavar="DESTINATION", help="a URL, as in OTLP2PARQUET_DESTINATION"
    )
    parser.add_argument(
        "--tables",
        default="logs",
        metavar="NAMES",
        help=f"tables there have to be, of {','.join(TABLES)}, or all (default: %(default)s); "
        "others are looked at if they are there",
    )
    parser.add_argument("--create", action="store_true", help="create those that are missing")
    parser.add_argument(
        "--add-columns",
        action="store_true",
        help="add the columns of ours that tables of a catalog://… lack",
    )


def run(chosen: argparse.Namespace) -> int:
    """Say what is there; 1 when something keeps batches from becoming visible."""
    from otlp2parquet_ext import checking  # noqa: PLC0415 - heavy

    variables = {**os.environ, "OTLP2PARQUET_DESTINATION": chosen.destination}
    try:
        wanted = checking.wanted_tables(chosen.tables)
        for line in checking.check(
            variables, wanted, create=chosen.create, add_columns=chosen.add_columns
        ):
            print(line)
    except checking.ERRORS as error:
        print(error, file=sys.stderr)
        return 1
    return 0
