"""`otlp2parquet-ext completion`.

Prints a script with which a shell completes commands, options and their choices. Each time the user
presses the tab key, the shell runs the command, which must be in PATH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  source <(otlp2parquet-ext completion bash)
  otlp2parquet-ext completion zsh > "${fpath[1]}/_otlp2parquet-ext"
  otlp2parquet-ext completion fish > ~/.config/fish/completions/otlp2parquet-ext.fish
"""
SHELLS = ("bash", "fish", "zsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def run(chosen: argparse.Namespace) -> int:
    """Print the script."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - an extra

    from otlp2parquet_ext.tools.cli import PROGRAM  # noqa: PLC0415 - it imports this module

    print(shellcode([PROGRAM], shell=chosen.shell))
    return 0
