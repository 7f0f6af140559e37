"""The commands that pages tell a reader to type work, in the order of the page.

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
from typing import TYPE_CHECKING, NamedTuple

import pytest

from otlp2parquet_ext.common.settings.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
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


def test_every_block_says_what_it_is() -> None:
    """Without a test a command soon stops working unnoticed."""
    unknown = [
        f"{ids(page)}: {block}"
        for page in PAGES
        for block in blocks(page)
        if block.language not in TYPED | SHOWN | {"ini"}
        or (block.language in TYPED and not f"{block.title} ".startswith((" ", "needs ", "CI ")))
    ]
    assert not unknown, "\n".join(unknown)


def test_commands_stand_in_blocks_that_are_run() -> None:
    """An indented block has no first line that says whether it is run."""
    outside = [
        f"{ids(page)}: {command}"
        for page in PAGES
        for command in COMMAND.findall(FENCE.sub("", page.read_text()))
    ]
    assert not outside, "\n".join(outside)


@pytest.mark.e2e
@pytest.mark.parametrize("page", [p for p in PAGES if typed(p)], ids=ids)
@pytest.mark.thorough
def test_what_a_page_says_to_type_works(page: Path, tmp_path: Path, lake: str) -> None:
    """Each block after the other, in one folder, as who reads the page would."""
    checkout(tmp_path)
    environ = {**clean_environ(), "PATH": f"{tmp_path}/.venv/bin:{os.environ['PATH']}"}
    for block in typed(page):
        # Another user's folder in /tmp may have the same name.
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
    """Run the commands as a reader types them."""
    return subprocess.run(
        ["sh", "-euc", text],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def gone(text: str, makefile: str) -> Iterator[str]:
    """Yield each target and script that a block names and the checkout has not."""
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            yield f"make {target}"
    for script in re.findall(r"(?:^|\s|\./)((?:layer/|deploy/)?[a-z_]+\.sh|layer/prepare)", text):
        if not os.access(ROOT / script, os.X_OK):
            yield script


def test_what_ci_is_said_to_run_it_runs() -> None:
    """No page may name a missing target or script."""
    makefile = (ROOT / "Makefile").read_text()
    run_by_ci = [(ids(p), b.text) for p in PAGES for b in blocks(p) if b.title.startswith("CI ")]
    assert run_by_ci
    missing = [f"{page}: {name}" for page, text in run_by_ci for name in gone(text, makefile)]
    assert not missing, "\n".join(missing)


def problems(text: str) -> list[str]:
    """Return what is wrong with the variables of a block."""
    pairs = (line.partition("=") for line in text.splitlines() if line.strip())
    environ = {name: value for name, _, value in pairs if not name.startswith("#")}
    return load(environ)[1] if environ else ["no variables"]


def test_variables_of_a_function_are_read_as_shown() -> None:
    """A misspelled name or a bad value would be copied a thousand times."""
    shown = [(ids(p), b.text) for p in PAGES for b in blocks(p) if b.language == "ini"]
    assert shown
    wrong = [f"{page}: {problem}" for page, text in shown for problem in problems(text)]
    assert not wrong, "\n".join(wrong)


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
