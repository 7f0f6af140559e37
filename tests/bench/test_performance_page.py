"""docs/performance.md as it is made."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from performance_parts import page
from performance_parts.pictures import pictures
from performance_parts.tables import table
from results import ABOUT, good
from scale_parts.svg import Series, chart

DOCS = Path(__file__).parents[2] / "docs"


def test_a_page_without_results_says_so_and_shows_no_picture() -> None:
    """A part that failed, or was not selected, leaves a sentence in its place."""
    text = page.page({}, {}, {})
    assert "Not measured." in text
    assert "{{" not in text
    assert ".svg" not in text


def test_a_whole_page_has_every_table_and_picture() -> None:
    """Each hole is filled by what its part found."""
    results = good()
    drawn = pictures(results)
    text = page.page(results, {}, drawn)
    assert "Not measured." not in text
    assert "not measured" not in text
    assert "{{" not in text
    assert len(drawn) == 4
    for name in drawn:
        assert f"({name})" in text


def test_a_miss_is_explained_by_its_note_and_only_a_miss_is() -> None:
    """A reader of a missed budget needs the reason, and the next step."""
    results = good()
    results["weight"]["layer"] = {"zip_mb": 51.0, "unpacked_mb": 105.0}
    notes = {"layer-zip": "pyarrow is half of it.", "layer-unpacked": "never to be seen"}
    text = page.page(results, notes, {})
    assert "- **layer, zip**: pyarrow is half of it." in text
    assert "never to be seen" not in text


def test_a_miss_nobody_explained_stands_out() -> None:
    """An empty line would look like no miss at all."""
    results = good()
    results["weight"]["layer"] = {"zip_mb": 51.0, "unpacked_mb": 105.0}
    assert "- **layer, zip**: not explained yet." in page.page(results, {}, {})


def test_a_machine_without_groups_is_said_to_have_run_unlimited() -> None:
    """Three equal envelopes would be read as three measurements."""
    results = good()
    machine = {**ABOUT["machine"], "limits": {"cpu": "none: unlimited", "memory": "cgroup v1"}}  # type: ignore[dict-item]
    results["start"]["about"] = results["weight"]["about"] = {**ABOUT, "machine": machine}
    assert "everything ran unlimited" in page.page(results, {}, {})


def test_parts_of_another_commit_are_named_with_it() -> None:
    """A part may be measured again alone; its figures are not those of the commit above."""
    results = good()
    about = {**ABOUT, "machine": {**ABOUT["machine"], "commit": "1234567"}}  # type: ignore[dict-item]
    results["receiver"]["about"] = results["whole_way"]["about"] = about
    assert "Measured again at 1234567: receiver, whole_way." in page.machine(results)
    assert "again" not in page.machine(good())


def test_a_failed_part_is_named() -> None:
    """Its figures may be an older run's, or none."""
    results = good() | {"flushes": {"failed": "Traceback …", "about": ABOUT}}
    assert "**Failed: flushes.**" in page.page(results, {}, {})


def test_imports_of_a_bare_interpreter_are_not_ours() -> None:
    """No program can avoid `os`."""
    text = page.page(good(), {}, {})
    assert "| `ours` | 700 |" in text
    assert "`os`" not in text


def test_a_table_has_a_rule_of_as_many_columns() -> None:
    """Renderers drop tables in which they differ; numbers are flush right."""
    assert table(["a", "b"], [["x", "1.5"]]) == "| a | b |\n| --- | ---: |\n| x | 1.5 |"
    assert table(["a", "b"], []) == ""


@pytest.mark.parametrize("name", sorted(pictures(good())))
def test_pictures_are_sound(name: str) -> None:
    """A browser shows nothing of a picture with one wrong character."""
    root = ET.fromstring(pictures(good())[name])  # noqa: S314 - our own
    assert root.tag.endswith("svg")
    assert [e for e in root.iter() if e.get("id", "").startswith("line2d")]


def test_a_linear_picture_begins_at_zero_and_bears_it() -> None:
    """Memory at rest differs little; an axis cut off would make that look like much."""
    series = [Series("a", [(0.0, 0.0), (10.0, 50.0)]), Series("empty", [])]
    text = chart("t", "x", "y", series, linear=True)
    assert ">0<" in text
    assert "empty" not in text


def test_equal_figures_make_equal_pictures() -> None:
    """A picture that changed shows that a figure did, not that a day passed."""
    series = [Series("a", [(1.0, 1.0), (10.0, 50.0)], dashed=True)]
    assert chart("t", "x", "y", series) == chart("t", "x", "y", series)
    assert "date" not in chart("t", "x", "y", series).lower()


def test_the_page_is_what_its_results_make(tmp_path: Path) -> None:
    """A figure must not be changed by hand."""
    source = DOCS / "performance.json"
    if not source.exists():
        pytest.skip("nothing has been measured yet: make bench")
    page.write(json.loads(source.read_text()), tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_text() == (DOCS / path.name).read_text(), path.name
