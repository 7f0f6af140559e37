"""`otlp2parquet-ext report`.

Writes one self-contained HTML page: which functions are slow, why they failed, what they cost, and
how to improve it. The three answers are printed, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.arguments import report_arguments as add_arguments

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  otlp2parquet-ext report s3://bucket/prefix
  otlp2parquet-ext report "glue://otel?warehouse=s3://bucket/lake" --since 7d --function orders \\
    --output orders.html
"""


def run(chosen: argparse.Namespace) -> int:
    """See `report.command`."""
    from otlp2parquet_ext.tools.report.command import run  # noqa: PLC0415 - heavy

    return run(chosen)
