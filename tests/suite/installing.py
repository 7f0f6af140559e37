"""Finds commands in a test's source that build, download or install something.

    source --ast--> words of each scope, texts that are commands --> findings

Words of one function count together, in any order and from any list: `command = ["npm"]` with
`command += ["ci"]` below it is as bad as `["npm", "ci"]`. Text counts where it begins with such a
command (`"npm ci"`, `"cd x && npm ci"`), unless it is only shown: in a docstring, a reason for a
skip, or what a test compares with.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ANYTHING = frozenset({""})
COMMANDS = {
    "apt": frozenset({"install", "update", "download"}),
    "apt-get": frozenset({"install", "update", "download"}),
    "brew": frozenset({"install"}),
    "cargo": frozenset({"build", "install", "run", "test", "fetch"}),
    "docker": frozenset({"build", "pull", "run"}),
    "ensurepip": ANYTHING,
    "git": frozenset({"clone", "fetch"}),
    "go": frozenset({"build", "install", "run", "get", "mod", "test"}),
    "gradle": ANYTHING,
    "make": frozenset({"test-tools", "layer", "site", "layer-lock"}),
    "mvn": ANYTHING,
    "npm": frozenset({"ci", "i", "install", "add", "exec", "update"}),
    "npx": ANYTHING,
    "pip": frozenset({"install", "wheel", "download"}),
    "pipx": ANYTHING,
    "pnpm": ANYTHING,
    "poetry": ANYTHING,
    "uv": ANYTHING,
    "venv": ANYTHING,
    "virtualenv": ANYTHING,
    "wget": ANYTHING,
    "yarn": ANYTHING,
}
"""Programs and modules, each with the arguments that make it build or fetch."""
SAME = {"pip3": "pip", "python -m pip": "pip"}
AFTER_M = {"pip", "venv", "virtualenv", "ensurepip", "build"}
"""Modules that only count after `-m`: `venv` alone may be a folder's name."""
SHOWN = re.compile(r"(skip|skipif|fail|xfail|raises|warns|warn|print|compile|SkippedError|need)$")
SHOWN_ARGUMENTS = {"reason", "match", "msg", "help", "ids", "id"}
BEFORE = re.compile(r"sudo|nice|env|exec|\(|\$\(|timeout|\d+|\w+=\S*")
"""Words before the program of a command."""
FETCHES = re.compile(r"(urlopen|urlretrieve|Request|HTTPConnection|HTTPSConnection|get|open_url)$")
LOCAL = re.compile(r"(localhost|127\.[\d.]+|\[?::1\]?|.*\.(invalid|test|example|localhost))$")


def findings(source: str) -> list[tuple[int, str]]:
    """Return (line, command) of everything in a source that builds, downloads or installs."""
    tree = ast.parse(source)
    hidden = {id(node) for node in _shown(tree)}
    found: set[tuple[int, str]] = set()
    for scope in _scopes(tree):
        words: dict[str, int] = {}
        for node in _own(scope):
            if isinstance(node, ast.List | ast.Tuple | ast.Call):
                for word in _elements(node, hidden):
                    words.setdefault(word.value, word.lineno)  # type: ignore[arg-type]
            if isinstance(node, ast.Call):
                found |= set(_fetched(node))
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in hidden:
                found |= {(node.lineno, name) for name in _in_text(_text(node))}
        found |= {(words[program], name) for program, name in _in_words(set(words))}
    return sorted(found)


def in_script(text: str) -> list[str]:
    """Return what a shell script builds, downloads or installs."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [name for line in lines for name in _in_text(line)]


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    """Return a literal's text, with `…` for each value that is put into it."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the module and each function in it."""
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own(node)


def _elements(node: ast.List | ast.Tuple | ast.Call, hidden: set[int]) -> Iterator[ast.Constant]:
    parts = node.args if isinstance(node, ast.Call) else node.elts
    for part in parts:
        if (
            isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and id(part) not in hidden
        ):
            yield part


def _in_words(words: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (the word that names it, the command) for commands that words form together."""
    by_name = {word.rpartition("/")[2]: word for word in words}
    by_name |= {SAME[name]: word for name, word in by_name.items() if name in SAME}
    for program, arguments in COMMANDS.items():
        if program not in by_name or (
            program in AFTER_M and "-m" not in words and program != "pip"
        ):
            continue
        if arguments is ANYTHING:
            yield by_name[program], program
        for argument in sorted(arguments & words):
            yield by_name[program], f"{program} {argument}"
    if {"-m", "build"} <= words:
        yield "build", "-m build"


def _in_text(text: str) -> Iterator[str]:
    """Yield the commands that a text runs."""
    for part in re.split(r"\n|;|&&|\|\|?", text):
        words = part.split()
        while words and BEFORE.fullmatch(words[0]):
            del words[0]
        module = len(words) > 2 and words[1] == "-m"
        if module:
            del words[0:2]
        if not words or (len(words) == 1 and not module):
            continue
        program = words[0].rpartition("/")[2]
        program = SAME.get(program, program)
        arguments = COMMANDS.get(program, frozenset())
        if arguments is ANYTHING and (module or program not in AFTER_M):
            yield program
        elif argument := next((word for word in words[1:] if word in arguments), ""):
            yield f"{program} {argument}"


def _shown(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what only a reader sees: docstrings, messages, what is compared or returned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr | ast.Return):
            if isinstance(node.value, ast.Constant | ast.JoinedStr):
                yield from ast.walk(node.value)
        elif isinstance(node, ast.Compare | ast.Raise):
            yield from ast.walk(node)
        elif isinstance(node, ast.Assert) and node.msg:
            yield from ast.walk(node.msg)
        elif isinstance(node, ast.keyword) and node.arg in SHOWN_ARGUMENTS:
            yield from ast.walk(node.value)
        elif isinstance(node, ast.Call) and SHOWN.search(_called(node)):
            for part in node.args:
                yield from ast.walk(part)


def _called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _fetched(call: ast.Call) -> Iterator[tuple[int, str]]:
    """Yield addresses of other machines that a call requests."""
    if not FETCHES.search(_called(call)):
        return
    for part in call.args[:1]:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            host = urlsplit(part.value).hostname if "://" in part.value else ""
            if host and not LOCAL.fullmatch(host):
                yield call.lineno, part.value
