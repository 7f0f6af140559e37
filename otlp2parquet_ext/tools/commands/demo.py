"""`otlp2parquet-ext demo`.

Runs the sample function with the extension in a local execution environment, which freezes between
invocations. Then it reads the telemetry back from an Iceberg table with DuckDB. Files of an earlier
demo in the folder are removed first. If the folder holds other files, the demo changes nothing and
ends with status 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  otlp2parquet-ext demo
  otlp2parquet-ext demo --lake /tmp/demo-lake --invoke 100
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--lake",
        default="demo-lake",
        metavar="DIR",
        help="folder of the table (default: %(default)s)",
    )
    parser.add_argument(
        "--invoke", type=int, default=30, metavar="N", help="invocations (default: %(default)s)"
    )


def run(chosen: argparse.Namespace) -> int:
    """Run the demo."""
    from otlp2parquet_ext.tools.demo import demo  # noqa: PLC0415 - heavy

    return demo(chosen.lake, chosen.invoke)
