"""docs/scale.md is what the benchmark writes."""

from __future__ import annotations

import json
from pathlib import Path

from scale_parts import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_made_of_its_template_and_the_recorded_results(tmp_path: Path) -> None:
    """The next run of the benchmark would overwrite a change of the page alone."""
    page.written(json.loads((DOCS / "scale.json").read_text()), tmp_path)
    assert (tmp_path / "scale.md").read_text() == (DOCS / "scale.md").read_text()
