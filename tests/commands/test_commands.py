"""The command line: each command explains itself at once, and names a missing extra."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext import __version__
from otlp2parquet_ext.functions.committer.work import FILES_PER_SNAPSHOT
from otlp2parquet_ext.tools import cli
from otlp2parquet_ext.tools.commands.commit import PER_SNAPSHOT

if TYPE_CHECKING:
    import argparse

HEAVY = ("aiohttp", "boto3", "duckdb", "msgspec", "pyarrow", "pyiceberg")
PRINTS_HEAVY = f"""
import sys
from otlp2parquet_ext.tools.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""
every = pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda c: c.name)


def help_of(command: cli.Command, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `COMMAND --help` prints."""
    with pytest.raises(SystemExit) as ended:
        cli.main([command.name, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def arguments_of(command: cli.Command) -> list[argparse.Action]:
    """Return what a command understands."""
    parser = cli.parser_for(command.name)
    (commands,) = (a for a in parser._actions if a.choices)
    assert isinstance(commands.choices, dict)
    actions: list[argparse.Action] = commands.choices[command.name]._actions
    return actions


@every
def test_help_describes_the_command_and_ends_with_examples(
    command: cli.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines at least on what it does; then lines to copy."""
    text = help_of(command, capsys)
    assert cli.description(cli.module_of(command)) in text
    assert f"otlp2parquet-ext {command.name}" in text.partition("\nexamples:\n")[2]


@every
def test_the_examples_are_commands_that_parse(command: cli.Command) -> None:
    """An option that was renamed would otherwise live on there."""
    text = cli.module_of(command).EXAMPLES.replace("\\\n", " ")
    lines = [line.partition("otlp2parquet-ext ")[2] for line in text.splitlines()]
    for line in lines:
        words = shlex.split(line.partition(" > ")[0].rstrip(")"))
        assert cli.parser_for(command.name).parse_args(words).otlp2parquet_command == command


@every
def test_every_option_says_what_it_means_and_its_value_has_a_name(command: cli.Command) -> None:
    """`--limit LIMIT` would explain nothing; an important default is in the sentence."""
    for action in arguments_of(command):
        assert action.help, action
        if action.nargs != 0 and not action.choices:
            assert action.metavar, action


@pytest.mark.parametrize("arguments", [("",), *((c.name,) for c in cli.COMMANDS)])
def test_help_imports_nothing_heavy(arguments: tuple[str]) -> None:
    """It answers at once, whichever extras are installed."""
    words = [word for word in (*arguments, "--help") if word]
    done = subprocess.run(
        [sys.executable, "-c", PRINTS_HEAVY, *words], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "0 []"


@pytest.mark.parametrize("command", [c for c in cli.COMMANDS if c.needs], ids=lambda c: c.name)
def test_a_command_without_its_extra_names_it_in_one_line(
    command: cli.Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback would not tell what to install."""
    words = {
        "query": ["sqlite:///x", "SELECT 1"],
        "report": ["sqlite:///x"],
        "tail": ["sqlite:///x"],
        "completion": ["bash"],
        "local": ["--handler", "app.handler"],
    }.get(command.name, [])
    for name in command.needs:
        monkeypatch.setitem(sys.modules, name, None)
        assert cli.main([command.name, *words]) == cli.USAGE_ERROR
        monkeypatch.undo()
        said = capsys.readouterr().err
        assert said == (
            f"otlp2parquet-ext {command.name} needs {name}: "
            f"pip install 'otlp2parquet-ext[{command.extra}]'\n"
        )


def test_a_python_handler_needs_the_extra_local(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command of one's own does not: so only this way of running a function is refused."""
    monkeypatch.setitem(sys.modules, "awslambdaric", None)
    assert cli.main(["local", "--handler", "app.handler"]) == cli.USAGE_ERROR
    said = capsys.readouterr().err
    assert said.endswith("needs awslambdaric: pip install 'otlp2parquet-ext[local]'\n")


def test_ctrl_c_is_one_line_and_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever a command is just then: no traceback."""

    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("otlp2parquet_ext.tools.commands.settings.run", interrupted)
    assert cli.main(["settings"]) == cli.INTERRUPTED
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("otlp2parquet-ext settings: interrupted")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug report begins with it."""
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"otlp2parquet-ext {__version__}\n"


@pytest.mark.parametrize("words", [[], ["nothing"]])
def test_no_command_and_an_unknown_one_list_the_commands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, as everywhere for what cannot be meant."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == cli.USAGE_ERROR
    assert "COMMAND" in capsys.readouterr().err


def test_options_written_apart_from_the_work_have_its_defaults() -> None:
    """`commit --help` must not import what commits."""
    assert PER_SNAPSHOT == FILES_PER_SNAPSHOT
