"""The flush side: a segment in, files out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otlp2parquet_ext import query
from otlp2parquet_ext.context import context_note
from otlp2parquet_ext.flush_side import FlushSide
from otlp2parquet_ext.settings import load
from otlp2parquet_ext.spool import Spool
from otlp2parquet_ext.telemetry.values import Context

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'[{"time":"2026-03-14T09:26:53.540Z","type":"function","record":"starting"}]'


def test_two_environments_that_were_told_the_same_both_have_their_rows(tmp_path: Path) -> None:
    """A burst starts environments in the same millisecond, and their first lines are equal."""
    url = f"file://{tmp_path}/lake"
    settings = load({"OTLP2PARQUET_DESTINATION": url})[0]
    for instance in ("one", "two"):
        spool = Spool(tmp_path / instance, 1 << 20, 0)
        spool.set_preamble([context_note(Context(instance_id=instance))])
        spool.append(BODY, 1, 1)
        segment = spool.seal()
        assert segment is not None
        for _ in range(2):  # each tried twice, as after a crash
            FlushSide(settings, {}).store(segment)
    rows = query.connect(url).execute("SELECT ServiceInstanceId FROM logs ORDER BY 1").fetchall()
    assert rows == [("one",), ("two",)]


@pytest.mark.parametrize("scheme", ["file", "sqlite"])
@pytest.mark.parametrize("commit_follows", [False, True])
def test_a_batch_nobody_wants_is_safe_and_no_file(
    tmp_path: Path, scheme: str, *, commit_follows: bool
) -> None:
    """Its segment may be discarded, and nothing waits for a commit."""
    url = f"{scheme}://{tmp_path}/lake"
    settings = load({"OTLP2PARQUET_DESTINATION": url, "OTLP2PARQUET_EXCLUDE": "function"})[0]
    spool = Spool(tmp_path / "spool", 1 << 20, 0)
    spool.append(BODY, 1, 1)
    segment = spool.seal()
    assert segment is not None
    side = FlushSide(settings, {})
    assert side.store(segment, commit_follows=commit_follows).safe
    assert side.commit(2**60) == 0
    assert list(tmp_path.rglob("*.parquet")) == []
