"""The function fills the spool folder with files: events are still answered, and lines stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from scripted_lambda import COMMAND, ScriptedLambda, invoke, shutdown

from otlp2parquet_ext.spool import FrameKind, digest_of
from otlp2parquet_ext.spool.frames import encode_header
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

FEW_FILES = ("sh", "-c", 'ulimit -n 300; exec "$@"', "sh")
"""Lambda allows 1 024; fewer show the same sooner."""


def body(text: str) -> bytes:
    """Make a delivery of one line."""
    event = {"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": text}
    return json.dumps([event]).encode()


def framed(payload: bytes) -> bytes:
    """Encode a body as a segment does."""
    return encode_header(FrameKind.DELIVERY, 1, payload, digest_of(payload)) + payload


def stored(folder: Path) -> list[str]:
    """Read the lake back."""
    connection = query.connect(f"file://{folder}/lake")
    return [text for (text,) in connection.execute("SELECT Body FROM logs").fetchall()]


def lives_with(folder: Path, *deliveries: bytes, **variables: str) -> list[str]:
    """Run an extension with few descriptors until SHUTDOWN; return its log lines."""
    lambda_ = ScriptedLambda()
    variables = {"TIMEOUT_MS": "25", **variables}
    extension = lambda_.start(folder, command=(*FEW_FILES, *COMMAND), **variables)
    extension.until_next()
    for number, delivery in enumerate(deliveries):
        assert extension.post(delivery) == 200
        lambda_.events.put(invoke(f"r-{number}"))
        extension.until_next()
    lambda_.events.put(shutdown())
    assert extension.end() == 0, extension.lines
    lambda_.close()
    return extension.lines


@pytest.mark.thorough
def test_a_segment_of_a_terabyte_costs_neither_an_event_nor_a_line(tmp_path: Path) -> None:
    """One `truncate` makes it, and reading all of it would stop `next`."""
    folder = tmp_path / "tmp" / "otlp2parquet_ext" / "1-0"
    folder.mkdir(parents=True)
    with (folder / "00000001.seg").open("wb") as file:
        file.write(framed(body("in front of the hole")))
        file.truncate(1 << 40)
    said = lives_with(tmp_path, body("line 0"), body("line 1"))
    found = stored(tmp_path)
    assert {"in front of the hole", "line 0", "line 1"} <= set(found)
    (loss,) = [json.loads(text) for text in found if "dropped" in text]
    assert loss["reason"] == "the spool was damaged"
    assert (1 << 40) - loss["droppedBytes"] < 64 << 20
    assert not [line for line in said if '"error"' in line]


@pytest.mark.thorough
def test_thousands_of_segments_in_one_folder_exhaust_nothing(tmp_path: Path) -> None:
    """Each open segment needs a descriptor, and without descriptors there is no `next`."""
    folder = tmp_path / "tmp" / "otlp2parquet_ext" / "1-0"
    folder.mkdir(parents=True)
    for number in range(3_000):
        (folder / f"{number:08d}.seg").touch()
    said = lives_with(tmp_path, body("line 0"), body("line 1"))
    assert sorted(stored(tmp_path)) == ["line 0", "line 1"]
    assert not [line for line in said if '"error"' in line]


def test_a_linked_root_is_not_written_through_and_costs_no_line(tmp_path: Path) -> None:
    """The owner of the link would get our segments. One line names the place in use instead."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "otlp2parquet_ext").symlink_to(elsewhere)
    said = lives_with(tmp_path, body("line 0"), OTLP2PARQUET_FLUSH="threshold")
    assert stored(tmp_path) == ["line 0"]
    assert list(elsewhere.iterdir()) == []
    assert len([line for line in said if "the spool does not trust" in line]) == 1
