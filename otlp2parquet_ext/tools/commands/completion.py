"""`otlp2parquet-ext completion`.

Prints what lets a shell complete commands, options and their choices. It is made from the
commands of this version: print it anew after an upgrade.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

EXAMPLES = """\
  source <(otlp2parquet-ext completion bash)
  otlp2parquet-ext completion zsh > "${fpath[1]}/_otlp2parquet-ext"
  otlp2parquet-ext completion fish > ~/.config/fish/completions/otlp2parquet-ext.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("shell", choices=sorted(SHELLS), metavar="SHELL", help="bash, zsh or fish")


def run(chosen: argparse.Namespace) -> int:
    """Print the script."""
    from otlp2parquet_ext.tools.cli import names, parser_for  # noqa: PLC0415 - it imports every command

    print(SHELLS[chosen.shell](words_of(parser_for(*names()))), end="")
    return 0


class Word(NamedTuple):
    """One word of a command line.

    Attributes:
        command: after which it may come; "" for the first word.
        text: the word; "" for one of `choices`.
        help: what it means.
        takes: whether another word belongs to it.
        choices: what that may be; () for anything, a file among them.
    """

    command: str
    text: str
    help: str
    takes: bool = False
    choices: tuple[str, ...] = ()


def words_of(parser: argparse.ArgumentParser, command: str = "") -> list[Word]:
    """Return all words a parser and those of its commands understand, in their order."""
    found: list[Word] = []
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            found += [Word("", name, helps[name]) for name in action.choices]
            for name, below in action.choices.items():
                found += words_of(below, name)
            continue
        about = (action.help or "") % {**vars(action), "prog": parser.prog}
        takes, choices = action.nargs != 0, tuple(map(str, action.choices or ()))
        longest = action.option_strings[-1:] or [""]
        found += [Word(command, text, about, takes, choices) for text in longest if text or choices]
    return found


def bash(words: list[Word]) -> str:
    """Return a script of bash 3.2 and later."""
    cases = "".join(
        f"    {_quoted(f'{name} {option}')}) candidates={_quoted(' '.join(choices))} ;;\n"
        for name, option, choices in _valued(words)
    )
    lists = "".join(
        f"    {_quoted(name)}) candidates={_quoted(' '.join(texts))} ;;\n"
        for name, texts in _lists(words)
    )
    return BASH.format(commands="|".join(_commands(words)), valued=cases, lists=lists)


def zsh(words: list[Word]) -> str:
    """Return a script of zsh, to be sourced or put into `fpath`."""
    cases = "".join(
        f"    ({_quoted(f'{name} {option}')}) "
        + (f"compadd -- {' '.join(choices)}" if choices else "_files")
        + "; return ;;\n"
        for name, option, choices in _valued(words)
    )
    lists = "".join(
        f"    ({_quoted(name)}) found=({' '.join(map(_quoted, texts))}) ;;\n"
        for name, texts in _lists(words, helps=True)
    )
    return ZSH.format(commands="|".join(_commands(words)), valued=cases, lists=lists)


def fish(words: list[Word]) -> str:
    """Return a script of fish."""
    lines = []
    for word in words:
        after = f"__fish_seen_subcommand_from {word.command}"
        line = f"complete -c otlp2parquet-ext -n '{after if word.command else NO_COMMAND}'"
        if word.text.startswith("--"):
            line += f" -l {word.text[2:]}" + (" -x" if word.choices else " -r" * word.takes)
        texts = word.choices or ((word.text,) if not word.text.startswith("-") else ())
        line += f" -f -a '{' '.join(texts)}'" if texts else ""
        lines.append(f"{line} -d {_quoted(word.help)}\n")
    return "".join(lines)


def _commands(words: list[Word]) -> list[str]:
    return [word.text for word in words if not word.command and not word.text.startswith("-")]


def _valued(words: list[Word]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(w.command, w.text, w.choices) for w in words if w.text.startswith("-") and w.takes]


def _lists(words: list[Word], *, helps: bool = False) -> list[tuple[str, list[str]]]:
    """Return, for each command and for none, what may come next."""
    found: dict[str, list[str]] = {name: [] for name in ("", *_commands(words))}
    for word in words:
        texts = (word.text,) if word.text else word.choices
        about = ":" + word.help if helps else ""
        found[word.command] += [text + about for text in texts]
    return list(found.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


NO_COMMAND = "__fish_use_subcommand"
BASH = """\
_otlp2parquet_ext() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local word command='' candidates=''
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in {commands}) command=$word; break ;; esac
  done
  case "$command" in
{lists}  esac
  case "$command $before" in
{valued}  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}}
complete -o default -F _otlp2parquet_ext otlp2parquet-ext
"""
ZSH = """\
#compdef otlp2parquet-ext
_otlp2parquet_ext() {{
  local word command=''
  local -a found
  for word in ${{words[2,CURRENT-1]}}; do
    case $word in ({commands}) command=$word; break ;; esac
  done
  case "$command ${{words[CURRENT-1]}}" in
{valued}  esac
  case "$command" in
{lists}  esac
  _describe 'otlp2parquet-ext' found || _files
}}
if [[ ${{funcstack[1]}} = _otlp2parquet-ext ]]; then
  _otlp2parquet_ext "$@"
else
  compdef _otlp2parquet_ext otlp2parquet-ext
fi
"""
SHELLS = {"bash": bash, "fish": fish, "zsh": zsh}
