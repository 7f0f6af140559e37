"""`otlp2parquet-ext completion`.

Prints what lets a shell complete commands, options and their choices. The shell then asks the
command line itself, which has to be in PATH, each time somebody presses the tab key.
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
