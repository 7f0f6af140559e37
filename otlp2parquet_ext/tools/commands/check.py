"""`otlp2parquet-ext check`.

Tries each destination step by step, before a function depends on it: whose credentials, can files
be written, read and deleted, what tables are there, do our columns fit, would a commit be taken,
does a collector answer, has a token expired? Nothing is left behind. What fails is explained, with
the statement of IAM that allows it. Without DESTINATION it is the variable
OTLP2PARQUET_DESTINATION's. Status 0: all is fine; 1: something failed; see docs/check.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.settings.lake import DESTINATION, OTHER_TABLES

if TYPE_CHECKING:
    import argparse

TABLES = ("logs", *(name for name, _ in OTHER_TABLES))
EXAMPLES = """\
  otlp2parquet-ext check s3://bucket/prefix
  otlp2parquet-ext check "glue://otel?warehouse=s3://bucket/lake" --create --tables logs,traces
  otlp2parquet-ext check "file:///tmp/lake, otlp+https://collector.example:4318"
  otlp2parquet-ext check --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "destination",
        nargs="?",
        default="",
        metavar="DESTINATION",
        help=f"a URL, as in {DESTINATION} (default: that variable)",
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
    parser.add_argument(
        "--send",
        action="store_true",
        help="send each Data Tap one line, of type otlp2parquet_ext.check: whether it takes the "
        "token shows only so",
    )
    parser.add_argument(
        "--all", action="store_true", help="show settings left at their default, too"
    )
    parser.add_argument("--json", action="store_true", help="values instead of text")


def run(chosen: argparse.Namespace) -> int:
    """Check; 1 when something failed."""
    from otlp2parquet_ext.tools.commands.check_output import run  # noqa: PLC0415 - heavy

    return run(chosen)
