"""`otlp2parquet-ext check`.

Tests each destination step by step, before a function depends on it. It checks the credentials,
writes, reads and deletes of files, the existing tables and their columns, the next commit, a
collector's answer, and expired tokens. It removes its test files. Each failure is explained, with
the IAM statement that allows the step. Without DESTINATION it checks OTLP2PARQUET_DESTINATION.
Status 0: all steps succeeded; 1: a step failed; see docs/check.md.
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
        help=f"required tables, of {','.join(TABLES)}, or all (default: %(default)s); "
        "other tables are checked if they exist",
    )
    parser.add_argument("--create", action="store_true", help="create the missing tables")
    parser.add_argument(
        "--add-columns",
        action="store_true",
        help="add our columns that tables of a catalog://… lack",
    )
    parser.add_argument(
        "--send",
        action="store_true",
        help="send each Data Tap one line of type otlp2parquet_ext.check, the only test of its "
        "token",
    )
    parser.add_argument(
        "--all", action="store_true", help="show settings left at their default, too"
    )
    parser.add_argument("--json", action="store_true", help="values instead of text")


def run(chosen: argparse.Namespace) -> int:
    """Check; return 1 if a step failed."""
    from otlp2parquet_ext.tools.commands.check_output import run  # noqa: PLC0415 - heavy

    return run(chosen)
