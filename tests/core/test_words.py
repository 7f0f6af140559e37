"""Private words do not come back: the field has a word for each of these things.

Docstrings, comments and messages of the package, the pages of docs/ and the README are read; names
in code are not. CHANGELOG.md tells of old times and is left out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

INSTEAD = {
    r"doors?|door-?keepers?": "admission control, listener, or what it is",
    r"strangers?": "pending connection, client, or whose it is (other users, attackers)",
    r"lanes?": "worker, thread",
    r"lend|lends|lent|lending": "a trial hold; Lambda gives CPU; a catalog vends credentials",
    r"park|parks|parked|parking": "awaiting commit; unmapped",
    r"settle|settles|settled|settling": "redeliver, redelivery",
    r"owe|owes|owed|owing": "undelivered, what a destination lacks",
    r"somehow": "how it is done",
    r"nobody's": "the cause",
    r"(?:is|are|was|were|be|been|being) (?:\w+ )?said": "X logs, X states",
    r"(?:is|are|was|were|be|been|being) (?:\w+ )?told": "X tells Y, X reports",
    r"(?:let|lets|letting) (?:\w+ )?(?:go(?! on\b)|in)": "discard, release; admit",
    r"whoever(?:'s)?": "the subject itself: the next committer, the caller, a client",
    r"anybody|nobody|somebody(?:'s)?": "the subject itself: another program, no reader",
    r"(?:is|are|was|were) looked (?:at|into)": "X reads, X checks, X searches",
    r"lest": "because, so that … not",
}
"""The replacement of each private word, by the expression that finds the word."""

PRIVATE = re.compile(r"\b(?:" + "|".join(INSTEAD) + r")\b", re.IGNORECASE)


def texts_of_code(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string and each block of comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    comments = [
        (token.start[0], token.string.lstrip("# "))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for _, block in groupby(enumerate(comments), key=lambda pair: pair[1][0] - pair[0]):
        lines = [comment for _, comment in block]
        yield lines[0][0], "\n".join(text for _, text in lines)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of what people read in a file."""
    source = path.read_text()
    if path.suffix == ".py":
        yield from texts_of_code(source)
    else:
        yield 1, source


def private_words(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and word of each private word in a file, also where a line ends within it."""
    for line, text in texts(path):
        for found in PRIVATE.finditer(re.sub(r"\s", " ", text)):
            yield line + text.count("\n", 0, found.start()), found[0].lower()


def read_by_people() -> list[Path]:
    """Return the files that the rule covers."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.sql")]
    modules = (ROOT / "otlp2parquet_ext").rglob("*.py")
    return sorted([ROOT / "README.md", *pages, *modules])


def test_no_text_uses_a_private_word() -> None:
    """The reader does not know these words, learned English later, and has an incident."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in read_by_people()
        for line, word in sorted(private_words(path))
    ]
    assert not wrong, "\n".join(["say it with the field's words (INSTEAD):", *wrong])


def test_a_private_word_is_found_wherever_a_reader_meets_it(tmp_path: Path) -> None:
    """Docstrings, comments of several lines, f-strings, and phrases that a line break divides."""
    module = tmp_path / "module.py"
    module.write_text(
        '"""A stranger."""\nlane = 1\n# What is\n# said here.\nprint(f"{lane} is let\\ngo, and'
        ' owed")\n'
    )
    page = tmp_path / "page.md"
    page.write_text("It is\ntold by whoever comes.\n")
    assert [word for _, word in private_words(module)] == ["stranger", "let go", "owed", "is said"]
    assert list(private_words(page)) == [(1, "is told"), (2, "whoever")]
