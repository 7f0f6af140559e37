"""`otlp2parquet-ext commit`.

Commits what waits in the inboxes of a destination's tables, each file exactly once, as the
committer's Lambda does; with --maintain and --sweep it takes care of the tables, too.
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
        "--until-empty", action="store_true", help="go on with what arrives in the meantime"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="commit N files at most")
    parser.add_argument(
        "--seconds",
        type=int,
        default=3_600,
        metavar="N",
        help="time to work (default: %(default)s)",
    )
    parser.add_argument(
        "--per-snapshot",
        type=int,
        default=PER_SNAPSHOT,
        metavar="N",
        help="files in one snapshot (default: %(default)s)",
    )
    parser.add_argument(
        "--maintain",
        action="store_true",
        help="then merge small manifests and delete what only expired snapshots referred to",
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="and look for files nothing refers to: metadata is deleted, rows are adopted",
    )
    parser.add_argument(
        "--older-than-days",
        type=float,
        default=3,
        metavar="N",
        help="age from which the sweep counts a file (default: %(default)s)",
    )
    parser.add_argument(
        "--delete-strays",
        action="store_true",
        help="let the sweep delete data files that it cannot adopt: they may be rows nobody saw",
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would be")


def run(chosen: argparse.Namespace) -> int:
    """Commit; 1 when something is left to do again, 3 when entries were set aside."""
    from otlp2parquet_ext.tools import commit  # noqa: PLC0415 - heavy

    return commit.run(chosen)
