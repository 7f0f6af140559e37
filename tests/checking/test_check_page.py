"""docs/check.md lists the steps there are, and shows what is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import places
import pytest
from telemetry_sinks import Collector, Tap, running

from otlp2parquet_ext.lake.checking.policies import statements_for
from otlp2parquet_ext.lake.checking.render import lines
from otlp2parquet_ext.lake.checking.run import Wish, verdicts
from otlp2parquet_ext.lake.checking.runner import FAILED, TrialVerdict
from otlp2parquet_ext.tools.cli import COMMANDS, parser_for

if TYPE_CHECKING:
    from places import Place

PAGE = Path(__file__).parents[2] / "docs" / "check.md"
STEP = re.compile(r"^\| ([a-z ,…]+) \| .* \| .* \| .* \|$", re.MULTILINE)
BLOCK = re.compile(r"```sh[^\n]*\n(.*?)```", re.DOTALL)


def documented() -> set[str]:
    """Return the steps of the page's table."""
    return {step.split(",")[0] for step in STEP.findall(PAGE.read_text())} - {"step"}


def with_inbox(place: Place) -> Place:
    """Return a place with an inbox elsewhere."""
    bucket = places.new_bucket(place.environ["AWS_ENDPOINT_URL"], place.environ, "x/")
    place.environ.update(OTLP2PARQUET_INBOX=f"s3://{bucket.bucket}/x")  # type: ignore[attr-defined]
    return place


def test_the_page_lists_every_step(moto: str, tmp_path: Path) -> None:
    """Of destinations that have them all: Glue with an inbox elsewhere, a collector, a Data Tap."""
    place = with_inbox(places.glue(moto))
    with running(Tap()) as tap, running(Collector()) as collector:
        every = f"{place.url} otlp+{collector.url} {tap.url}"
        variables = {**place.variables, "OTLP2PARQUET_DESTINATION": every}
        found = {v.step for v in verdicts(variables, Wish(create=True, send=True))}
    behind_pyiceberg = {"OTLP2PARQUET_DESTINATION": f"catalog://lake?warehouse=file://{tmp_path}"}
    found |= {v.step for v in verdicts(behind_pyiceberg, Wish(in_environment=True))}
    assert {s for s in found if not s.startswith("inbox ")} <= documented()
    assert documented() <= found


def test_the_page_shows_what_is_printed() -> None:
    """The statement, and the lines around it."""
    values = {"BUCKET": "bucket", "PREFIX": "prefix"}
    mended = statements_for("plain-s3", ["s3:PutObject"], values)
    printed = "\n".join(lines(TrialVerdict("write", FAILED, "…", "", mended)))
    statement = printed.partition("\n")[2]
    assert json.loads(statement) == mended[0]
    assert statement in PAGE.read_text()


@pytest.mark.parametrize("block", BLOCK.findall(PAGE.read_text()))
def test_the_pages_commands_parse(block: str) -> None:
    """An option that was renamed would otherwise live on there."""
    import shlex  # noqa: PLC0415

    for line in block.strip().splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "otlp2parquet-ext"
        parsed = parser_for("check").parse_args(words[1:])
        assert parsed.otlp2parquet_command in COMMANDS
