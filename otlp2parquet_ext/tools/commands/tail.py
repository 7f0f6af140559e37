"""`otlp2parquet-ext tail`.

Prints the latest rows of logs, oldest first; with --follow also later ones, until it is
interrupted. Each row is shown once, even if it is late or out of order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.arguments import tail_arguments as add_arguments

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  otlp2parquet-ext tail s3://bucket/prefix --since 1h --level warn
  otlp2parquet-ext tail s3://bucket/prefix --follow --function orders --grep "card declined"
"""


def run(chosen: argparse.Namespace) -> int:
    """See `tail`."""
    from otlp2parquet_ext.tools.tail import run  # noqa: PLC0415 - heavy

    return run(chosen)
