"""`otlp2parquet-ext local`.

Runs a function with the extension in a Lambda execution environment on this machine: the
Runtime, Extensions and Telemetry APIs, freezes between invocations, limits, faults. With
--destination it finally commits the files in the inbox, so that they become visible.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.local.command import add_arguments
from otlp2parquet_ext.tools.local.command import run as run_function
from otlp2parquet_ext.tools.terminal import show, show_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  otlp2parquet-ext local --handler app.handler --code path/to/function --invoke 10 \\
    --destination file:///tmp/lake
  otlp2parquet-ext local --memory 512 --gap-ms 200 -- node index.js
"""
COMMIT_LIMIT_S = 60


def run(chosen: argparse.Namespace) -> int:
    """Run the function, then commit the files that its end left in the inbox."""
    status = run_function(chosen)
    if chosen.destination and not chosen.no_extension:
        _commit_after(chosen.destination, dict(text.split("=", 1) for text in chosen.env))
    return status


def _commit_after(destination: str, variables: Mapping[str, str]) -> None:
    from otlp2parquet_ext.common.settings.settings import load  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations.address import FORWARDING, AddressError  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations.destination import DestinationError  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations.destination_list import PLAIN, parse_all  # noqa: PLC0415
    from otlp2parquet_ext.tools.commit import commit_quietly  # noqa: PLC0415

    environ = {**os.environ, **variables, "OTLP2PARQUET_DESTINATION": destination}
    try:
        relays = load(environ)[0].commit == "relay"
        seen_at_once = FORWARDING if relays else FORWARDING | PLAIN
        if all(a.kind in seen_at_once for a in parse_all(destination)):
            return
        if files := commit_quietly(environ, COMMIT_LIMIT_S):
            show(f"{files} files that waited in the inbox are in the table now")
    except (AddressError, DestinationError) as error:
        show_error(error)
