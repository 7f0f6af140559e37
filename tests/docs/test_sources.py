"""A source that a docstring cites can be looked up: a public page, or a page of ours."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("otlp2parquet_ext", "tests", "layer", "benchmarks", "deploy", "docs")
SOURCE = re.compile(r"^ *Source: (.*?)(?:\n\s*\n|\"\"\")", re.MULTILINE | re.DOTALL)
PAGE = re.compile(r"[\w./-]*\w\.md\b")


def cited(path: Path) -> list[str]:
    """Return the pages of ours that the `Source:` paragraphs of a file name."""
    return [page for source in SOURCE.findall(path.read_text()) for page in PAGE.findall(source)]


def test_a_source_that_is_a_page_is_in_the_checkout() -> None:
    """Notes outside the repository are no source for other readers."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    pages = [(path.relative_to(ROOT), page) for path in files for page in cited(path)]
    assert len(pages) > 5, "the pattern finds no source any more"
    gone = [f"{path}: {page}" for path, page in pages if not (ROOT / page).is_file()]
    assert not gone, "\n".join(gone)
