"""`otlp2parquet-ext`: what people run; none of it is in the layer.

local      a function with the extension, in a Lambda execution environment on this machine
demo       a sample function through `local`, its telemetry read back
commit     the committer by hand: make visible what waits, take care of the table
check      what a destination is, before a function writes to it
query      SQL over a destination
report     one HTML page: what is slow, what failed, what it costs
tail       the latest rows in the terminal
cost       what a function's telemetry costs in the lake, beside CloudWatch Logs
settings   every variable the extension reads
"""

from __future__ import annotations

import argparse
import os
import sys

from otlp2parquet_ext import __version__
from otlp2parquet_ext.settings.table import SETTINGS

COMMIT_LIMIT_S = 60


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


def _parser() -> argparse.ArgumentParser:
    # A command's libraries are imported with its options: `--help` works without the extras.
    from otlp2parquet_ext import check as check_command  # noqa: PLC0415
    from otlp2parquet_ext import tail as tail_command  # noqa: PLC0415
    from otlp2parquet_ext.committer import command as committer_command  # noqa: PLC0415
    from otlp2parquet_ext.cost import command as cost_command  # noqa: PLC0415
    from otlp2parquet_ext.local import command as local_command  # noqa: PLC0415
    from otlp2parquet_ext.report import command as report_command  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="otlp2parquet-ext", description=__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    local = commands.add_parser("local", help="run a function with the extension, without AWS")
    local_command.add_arguments(local)
    local.set_defaults(run=_local)

    demo = commands.add_parser("demo", help="run the sample function and read its telemetry back")
    demo.add_argument(
        "--lake", default="demo-lake", metavar="DIR", help="where the table goes (%(default)s)"
    )
    demo.add_argument(
        "--invoke", type=int, default=30, metavar="N", help="invocations (%(default)s)"
    )
    demo.set_defaults(run=_demo)

    committer = commands.add_parser("commit", help="commit what waits in an inbox; table care")
    committer_command.add_arguments(committer)
    committer.set_defaults(run=committer_command.run)

    check = commands.add_parser("check", help="what a destination is, before a function writes")
    check_command.add_arguments(check)
    check.set_defaults(run=check_command.run)

    query = commands.add_parser(
        "query", help="SQL over a destination: logs, traces, metrics_sum, …"
    )
    query.add_argument("destination", help="as in OTLP2PARQUET_DESTINATION")
    query.add_argument("sql", help='for example "SELECT count(*) FROM logs"')
    query.set_defaults(run=_query)

    report = commands.add_parser("report", help="one HTML page: what is slow, failed, costs")
    report_command.add_arguments(report)
    report.set_defaults(run=report_command.run)

    tail = commands.add_parser("tail", help="the latest rows of logs; --follow goes on")
    tail_command.add_arguments(tail)
    tail.set_defaults(run=tail_command.run)

    cost = commands.add_parser("cost", help="what it costs in the lake, beside CloudWatch Logs")
    cost_command.add_arguments(cost)
    cost.set_defaults(run=cost_command.run)

    settings = commands.add_parser("settings", help="list every variable the extension reads")
    settings.add_argument("--markdown", action="store_true", help="as docs/configuration.md")
    settings.set_defaults(run=_settings)
    return parser


def _local(chosen: argparse.Namespace) -> int:
    """Run the function, then act as the committer for what its last moments left in the inbox."""
    from otlp2parquet_ext.local import command as local_command  # noqa: PLC0415

    status = local_command.run(chosen)
    if chosen.destination and not chosen.no_extension:
        _commit_after(chosen.destination)
    return status


def _commit_after(destination: str) -> None:
    from otlp2parquet_ext.committer.command import commit_quietly  # noqa: PLC0415
    from otlp2parquet_ext.destinations import DestinationError  # noqa: PLC0415
    from otlp2parquet_ext.destinations.address import AddressError, parse  # noqa: PLC0415
    from otlp2parquet_ext.destinations.choose import PLAIN  # noqa: PLC0415

    environ = {**os.environ, "OTLP2PARQUET_DESTINATION": destination}
    try:
        if parse(destination).kind in PLAIN:
            return
        if files := commit_quietly(environ, COMMIT_LIMIT_S):
            print(f"{files} files that waited in the inbox are in the table now")
    except (AddressError, DestinationError) as error:
        print(error, file=sys.stderr)


def _demo(chosen: argparse.Namespace) -> int:
    from otlp2parquet_ext.demo import demo  # noqa: PLC0415

    return demo(chosen.lake, chosen.invoke)


def _query(chosen: argparse.Namespace) -> int:
    from otlp2parquet_ext.query import QueryError, connect, table_text  # noqa: PLC0415

    try:
        print(table_text(connect(chosen.destination), chosen.sql))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _settings(chosen: argparse.Namespace) -> int:
    print(markdown() if chosen.markdown else plain())
    return 0


def plain() -> str:
    """Return the settings for a terminal."""
    return "\n".join(
        f"{' or '.join(s.names)} = {s.default!r}\n    {s.says}"
        + (f" Valid: {s.expected()}." if s.valid_is_limited else "")
        for s in SETTINGS
    )


def markdown() -> str:
    """Return `docs/configuration.md`."""
    rows = "\n".join(
        f"| {', '.join(f'`{name}`' for name in s.names)} | `{s.default or ' '}` | "
        f"{s.expected() if s.valid_is_limited else 'text'} | {s.says} |"
        for s in SETTINGS
    )
    return CONFIGURATION.format(rows=rows)


CONFIGURATION = """\
# Configuration

Made from `otlp2parquet_ext/settings/table.py` by `make docs`; do not edit.

Environment variables of the function. One is enough: `OTLP2PARQUET_DESTINATION`. A name without
the prefix `OTLP2PARQUET_` also works with it, and the prefixed one wins. A bad value is reported
in one line and the default is used; a misspelled `OTLP2PARQUET_…` name is reported, too.

| variable | default | valid | meaning |
|---|---|---|---|
{rows}

Lambda's own variables (`AWS_LAMBDA_FUNCTION_NAME`, `AWS_REGION`, …) and OpenTelemetry's
`OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` are read, too: they become the resource of
every row."""
