"""The command line `otlp2parquet-ext`, for users; it is not in the layer.

    arguments --the first word--> a line of COMMANDS --> its module's add_arguments, then its run

A command is a line of COMMANDS and a module with `add_arguments(parser)`, `run(arguments) -> int`,
EXAMPLES, and a docstring whose second part is its description. Only the requested command's module
is imported, and its own imports are light. So `--help` is fast and needs no extra.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from otlp2parquet_ext import __version__
from otlp2parquet_ext.common.log import hide
from otlp2parquet_ext.common.secrets.url_options import secrets_of
from otlp2parquet_ext.common.settings.settings import secrets_in
from otlp2parquet_ext.tools.terminal import clean, show_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

PROGRAM = "otlp2parquet-ext"
USAGE_ERROR, INTERRUPTED = 2, 130
BUG = 70
"""Exit status for unexpected errors: EX_SOFTWARE of sysexits.h."""


class Command(NamedTuple):
    """One command.

    Attributes:
        name: name of the command.
        help: short text for the list of commands.
        module: its module below this package.
        needs: modules of an extra that it requires.
        extra: the extra that installs them.
    """

    name: str
    help: str
    module: str
    needs: tuple[str, ...] = ()
    extra: str = ""


COMMANDS: tuple[Command, ...] = (
    Command(
        "local",
        "run a function with the extension, without AWS",
        "commands.local",
        ("aiohttp",),
        "local",
    ),
    Command(
        "demo",
        "run the sample function and read its telemetry back",
        "commands.demo",
        ("aiohttp", "awslambdaric", "duckdb"),
        "local,report",
    ),
    Command("check", "test a destination, and explain how to repair it", "commands.check"),
    Command("commit", "commit the files in an inbox; maintain the table", "commands.commit"),
    Command(
        "query",
        "SQL over a destination: logs, traces, metrics_sum, …",
        "commands.query",
        ("duckdb",),
        "report",
    ),
    Command(
        "report",
        "one HTML page: what is slow, what failed, what it costs",
        "commands.report",
        ("duckdb",),
        "report",
    ),
    Command(
        "tail",
        "the latest log rows; --follow adds new ones",
        "commands.tail",
        ("duckdb",),
        "report",
    ),
    Command("cost", "cost in the lake, compared with CloudWatch Logs", "cost.command"),
    Command("settings", "list every variable the extension reads", "commands.settings"),
    Command(
        "completion",
        "a script for shell completion",
        "commands.completion",
        ("argcomplete",),
        "completion",
    ),
)


class _Parser(argparse.ArgumentParser):
    """A parser that cleans its messages, because they quote arguments."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        super()._print_message(clean(message) if message else message, file)


class Module(Protocol):
    """The interface of a command's module."""

    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command; return the exit status."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if "_ARGCOMPLETE" in os.environ:
        _complete(os.environ.get("COMP_LINE", ""))
    given = sys.argv[1:] if arguments is None else arguments
    hide(secrets_in(os.environ))
    hide([secret for one in given if "://" in one for secret in secrets_of(one, paths=True)])
    chosen = parser_for(next((a for a in given if not a.startswith("-")), "")).parse_args(given)
    command: Command = chosen.otlp2parquet_command
    if missing := [name for name in command.needs if importlib.util.find_spec(name) is None]:
        extra = f"pip install '{PROGRAM}[{command.extra}]'"
        show_error(f"{PROGRAM} {command.name} needs {missing[0]}: {extra}")
        return USAGE_ERROR
    try:
        return module_of(command).run(chosen)
    except KeyboardInterrupt:
        show_error(f"{PROGRAM} {command.name}: interrupted; the same command again finishes it")
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - Python would print it unmasked
        show_error(traceback.format_exc())
        return BUG


def _complete(line: str) -> None:
    """Print completions of a line for a shell, and end the process."""
    import argcomplete  # noqa: PLC0415 - an extra

    parser = parser_for(*(name for name in names() if name in line.split()))
    argcomplete.autocomplete(parser, always_complete_options="long")


def parser_for(*names: str) -> argparse.ArgumentParser:
    """Return the parser; only the named commands get their arguments."""
    parser = _Parser(
        prog=PROGRAM,
        description="Run, check, read and maintain the extension's telemetry from a laptop.",
        epilog=f"{PROGRAM} COMMAND --help shows options and examples.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        _add(commands, command, known=command.name in names)
    return parser


def _add(commands: argparse._SubParsersAction[_Parser], command: Command, *, known: bool) -> None:
    if not known:
        commands.add_parser(command.name, help=command.help)
        return
    module = module_of(command)
    parser = commands.add_parser(
        command.name,
        help=command.help,
        description=description(module),
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.set_defaults(otlp2parquet_command=command)


def module_of(command: Command) -> Module:
    """Import a command's module."""
    return cast("Module", importlib.import_module(f"{__package__}.{command.module}"))


def description(module: Module) -> str:
    """Return a module's docstring without its first line."""
    first, _, rest = (module.__doc__ or "").partition("\n")
    return rest.strip() or first


def names(commands: Sequence[Command] = COMMANDS) -> tuple[str, ...]:
    """Return every command's name."""
    return tuple(command.name for command in commands)
