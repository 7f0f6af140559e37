"""Decisions can be found: each is listed, and no number is missing without a word."""

from __future__ import annotations

import re
from pathlib import Path

DECISIONS = Path(__file__).parents[2] / "docs" / "decisions"
LIST = (DECISIONS / "README.md").read_text()
FILES = sorted(DECISIONS.glob("[0-9]*.md"))


def test_the_list_has_each_decision_under_its_title() -> None:
    """In the order of their numbers, which each title begins with."""
    titles = [(file.name, file.read_text().splitlines()[0].removeprefix("# ")) for file in FILES]
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) (.+)$", LIST, re.MULTILINE)
    assert [(name, f"{number} {title}") for number, name, title in listed] == titles


def test_a_number_without_a_decision_is_explained() -> None:
    """A reader who counts does not look for a page that never was."""
    numbers = [int(file.name[:4]) for file in FILES]
    missing = [number for number in range(1, numbers[-1]) if number not in numbers]
    assert [number for number in missing if not re.search(rf"\b{number:04}\b", LIST)] == []
    assert len(numbers) == len(set(numbers)), "a number is given once"
