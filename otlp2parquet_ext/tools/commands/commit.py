"""`otlp2parquet-ext commit`.

Commits the files in the inboxes of a destination's tables, each exactly once, as the committer's
Lambda does. With --maintain and --sweep it also maintains the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  otlp2parquet-ext commit "glue://otel?warehouse=s3://bucket/lake" --until-empty
  otlp2parquet-ext commit "glue://otel?warehouse=s3://bucket/lake" --maintain --sweep --dry-run
"""
PER_SNAPSHOT = 2_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "destination", metavar="DESTINATION", help="a URL, as in OTLP2PARQUET_DESTINATION"
    )
    parser.add_argument(
        "--until-empty", action="store_true", help="also commit files that arrive meanwhile"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="commit at most N files")
    parser.add_argument(
        "--seconds",
        type=int,
        default=3_600,
        metavar="N",
        help="longest run, in seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--per-snapshot",
        type=int,
        default=PER_SNAPSHOT,
        metavar="N",
        help="most files in one snapshot (default: %(default)s)",
    )
    parser.add_argument(
        "--maintain",
        action="store_true",
        help="then merge small manifests and delete files of expired snapshots only",
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="find unreferenced files: delete metadata, put data files into the inbox",
    )
    parser.add_argument(
        "--older-than-days",
        type=float,
        default=3,
        metavar="N",
        help="least age of files that the sweep handles (default: %(default)s)",
    )
    parser.add_argument(
        "--delete-strays",
        action="store_true",
        help="let the sweep delete data files that it cannot adopt; they may hold unseen rows",
    )
    parser.add_argument("--dry-run", action="store_true", help="only report the changes, make none")


def run(chosen: argparse.Namespace) -> int:
    """Commit; return 1 if work is left for a later run, 3 if entries were set aside."""
    from otlp2parquet_ext.tools import commit  # noqa: PLC0415 - heavy

    return commit.run(chosen)
