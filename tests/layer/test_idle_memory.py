"""The resident memory of an idle environment with the built layer: the function has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from performance_parts import processes
from performance_parts.processes import Subject

if TYPE_CHECKING:
    from layer_roots import Root

pytestmark = [pytest.mark.timing, pytest.mark.layer]

MOST_ANONYMOUS_MB, MOST_OF_FILES_MB = 20, 15
"""Measured: 17.8 and 5.8; 34 of files when the pages that loading touched were kept."""


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_an_idle_environment_keeps_no_pages_that_only_loading_touched(
    root: Root, tmp_path: Path
) -> None:
    """Everything that makes and stores a batch is loaded by then."""
    subject = processes.layer(tmp_path)
    command = root.at_opt(*subject.command)
    with processes.extension(Subject(command, subject.environ)) as (running, _):
        running.settle()
        memory = running.memory()
        mapped = Path(f"/proc/{running.process.pid}/maps").read_text()
    assert "libarrow" in mapped
    assert memory.anonymous_mb < MOST_ANONYMOUS_MB
    assert memory.all_mb - memory.anonymous_mb < MOST_OF_FILES_MB
