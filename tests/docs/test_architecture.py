"""The page for those who change the code agrees with the code: paths, arrows, state tables."""

from __future__ import annotations

import re
from pathlib import Path

from test_house import MAY_IMPORT

from otlp2parquet_ext.extension.lifecycle.calls import LEGAL
from otlp2parquet_ext.flush.segment_state import TRANSITIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def section(heading: str) -> str:
    """Return the text below a heading, up to the next one."""
    return re.split(r"^##", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_module_and_test_that_the_page_names_exists() -> None:
    """Readers open them, and after one wrong name they doubt all others."""
    named = set(re.findall(r"`([\w/]+/[\w/]*(?:\.py)?)`", PAGE))
    paths = {path for path in named if path.endswith((".py", "/"))}
    assert len(paths) > 40
    folders = (ROOT, ROOT / "otlp2parquet_ext")
    assert sorted(p for p in paths if not any((f / p).exists() for f in folders)) == []


def test_the_arrows_on_the_page_are_those_that_the_rooms_may_have() -> None:
    """One room a line, as MAY_IMPORT has them: no arrow is only drawn, and none is left out."""
    block = PAGE.partition('```text title="imports"\n')[2].partition("```")[0]
    lines = (line.partition("->") for line in block.splitlines())
    drawn = {room.strip(): set(re.findall(r"\w+", others)) for room, _, others in lines}
    assert drawn == MAY_IMPORT


def test_the_picture_has_every_room() -> None:
    """`__main__` is the launcher's entry, not a room."""
    picture = section("Rooms").partition("All imports")[0]
    assert set(re.findall(r"\b([a-z]+):", picture)) == set(MAY_IMPORT) - {"__main__"}


def test_the_stages_of_a_segment_are_those_of_the_code() -> None:
    """Each legal step is a row, and each row is a legal step."""
    row = re.compile(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \| `([A-Z_]+)` \|", re.MULTILINE)
    assert row.findall(section("Stages of a segment")) == [
        (stage.name, step.name, after.name)
        for stage, steps in TRANSITIONS.items()
        for step, after in steps.items()
    ]


def test_the_phases_of_the_process_are_those_of_the_code() -> None:
    """Lambda answers a call out of order with a 403 that explains nothing."""
    row = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
    rows = row.findall(section("Phases of the process"))
    assert {phase: set(re.findall(r"`([^`]+)`", calls)) for phase, calls in rows} == LEGAL


def test_the_page_says_where_ten_frequent_changes_go() -> None:
    """Each names a file to change and a test to run."""
    lines = section("Where do I change …?").strip().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 10
    wrong = [row for row in rows if len(row) != 3 or not row[2].startswith("`tests/")]
    assert wrong == []
