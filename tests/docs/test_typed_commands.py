"""What the pages tell a reader to type works, in the order they tell it.

A fenced block of a page is of one kind, by its first line:

    ```sh                        typed by a reader: run here, page by page, as a reader would
    ```sh title="needs …"        what the reader has and this machine may not: an account, npm, …
    ```sh title="CI …"           commands of the checkout that CI runs as they are
    ```ini                       variables of a function: read without a problem
    ```sql, json, toml, text, …  shown, not typed; tests of their own compare most of them
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from otlp2parquet_ext.settings import load

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TYPED = {"sh", "shell", "bash", "console"}
SHOWN = {
    "sql",
    "json",
    "toml",
    "text",
    "python",
    "js",
    "Dockerfile",
    "dockerfile",
    "hcl",
    "yaml",
    "typescript",
}
COMMAND = re.compile(
    r"^ {4}(?:\$ )?(?:aws|make|otlp2parquet-ext|python3?|pip|pytest|layer/prepare|docker|\./\w+) ",
    re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = []
    for indent, language, info, text in FENCE.findall(page.read_text()):
        title = re.search(r'title="([^"]*)"', info)
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        found.append(Block(language, title[1] if title else "", "\n".join(lines)))
    return found


def typed(page: Path) -> list[Block]:
    """Return what a reader of a page can type on this machine."""
    return [b for b in blocks(page) if b.language in TYPED and not b.title]


def ids(page: Path) -> str:
    """Return a page's name."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A command nobody runs is a command that stopped working some time ago."""
    for block in blocks(page):
        assert block.language in TYPED | SHOWN | {"ini"}, block
        if block.language in TYPED and block.title:
            assert block.title.startswith(("needs ", "CI ")), block


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    """An indented block has no first line to say whether it is run."""
    outside = FENCE.sub("", page.read_text())
    assert COMMAND.findall(outside) == []


@pytest.mark.e2e
@pytest.mark.parametrize("page", [p for p in PAGES if typed(p)], ids=ids)
def test_what_a_page_says_to_type_works(page: Path, tmp_path: Path, lake: str) -> None:
    """Each block after the other, in one folder, as who reads the page would."""
    checkout(tmp_path)
    environ = {**clean_environ(), "PATH": f"{tmp_path}/.venv/bin:{os.environ['PATH']}"}
    for block in typed(page):
        # Somebody else's folder in /tmp has the same name.
        text = block.text.replace("file:///tmp/", f"file://{tmp_path}/")
        result = run(text, tmp_path, {**environ, "DESTINATION": lake})
        assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give what `$DESTINATION` is for pages that begin with a lake one has."""
    folder = tmp_path_factory.mktemp("lake")
    checkout(folder)
    address = f"sqlite://{folder}/catalog.db?warehouse={folder}/warehouse"
    command = (
        ".venv/bin/otlp2parquet-ext local --handler app.handler --code path/to/function "
        f"--unlimited --destination '{address}'"
    )
    result = run(command, folder, clean_environ())
    assert result.returncode == 0, result.stderr
    return address


def run(text: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what somebody typed."""
    return subprocess.run(
        ["sh", "-euc", text],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.title for b in blocks(p))], ids=ids)
def test_what_ci_is_said_to_run_it_runs(page: Path) -> None:
    """A target that is gone, or a script, is not told to anybody."""
    makefile = (ROOT / "Makefile").read_text()
    for block in blocks(page):
        if not block.title.startswith("CI "):
            continue
        for target in re.findall(r"\bmake ([a-z-]+)", block.text):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for script in re.findall(
            r"(?:^|\s|\./)((?:layer/|deploy/)?[a-z_]+\.sh|layer/prepare)", block.text
        ):
            assert os.access(ROOT / script, os.X_OK), script


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_variables_of_a_function_are_read_as_shown(page: Path) -> None:
    """A misspelled name or a bad value would be copied a thousand times."""
    for block in blocks(page):
        if block.language != "ini":
            continue
        pairs = (line.partition("=") for line in block.text.splitlines() if line.strip())
        environ = {name: value for name, _, value in pairs if not name.startswith("#")}
        assert environ
        assert load(environ)[1] == []


def checkout(folder: Path) -> None:
    """Make a folder look like a checkout that is set up, with a function in path/to/function."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("docs", "tests"):
        (folder / name).symlink_to(ROOT / name)
    function = folder / "path" / "to" / "function"
    function.mkdir(parents=True)
    (function / "app.py").write_text("def handler(event, context):\n    print('hello')\n")
    (folder / "event.json").write_text("{}")


def clean_environ() -> dict[str, str]:
    """Return our own environment without what configures the extension, or AWS's clients."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "OTLP2PARQUET_", "OTEL_"))
    }
