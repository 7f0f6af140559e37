"""`otlp2parquet-ext tail`.

Prints the latest rows of logs, oldest first; with --follow also those that become visible, until
it is interrupted. Late and out-of-order rows are shown once.
"""

from __future__ import annotations

from otlp2parquet_ext.tail import add_arguments, run

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  otlp2parquet-ext tail s3://bucket/prefix --since 1h --level warn
  otlp2parquet-ext tail s3://bucket/prefix --follow --function orders --grep "card declined"
"""
