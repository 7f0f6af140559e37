"""The committer's function and command take raw segments along; without any they import no more."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from relay_worlds import LATER_MS, Environment, relayed, rows, settings_of

from otlp2parquet_ext.functions.committer import function
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.relay.opening import open_relay
from otlp2parquet_ext.tools.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def relay_something(folder: Path, url: str) -> str:
    """Let an environment put a segment; return its name."""
    environment = Environment(folder / "tmp", 0, settings_of(url, "relay"))
    environment.begin()
    environment.lines(3)
    environment.flush()
    lake = folder / ("warehouse/otel" if url.startswith("sqlite") else "lake")
    (name,) = relayed(lake)
    return name


def event_of(name: str) -> dict[str, object]:
    """Return what SQS hands over for a new segment."""
    body = {"Records": [{"s3": {"object": {"key": f"lake/otel/_relay/segments/{name}"}}}]}
    return {"Records": [{"messageId": "m-1", "body": json.dumps(body)}]}


def test_a_segments_event_makes_its_rows_visible(tmp_path: Path) -> None:
    """The message is done once they are; the event alone says that something waits."""
    url = f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/warehouse"
    event = event_of(relay_something(tmp_path, url))
    environ = {"OTLP2PARQUET_DESTINATION": url}
    places, relay = open_places(environ), open_relay(environ)
    assert function.answer(places, event, LATER_MS, relay) == {"batchItemFailures": []}
    assert relayed(tmp_path / "warehouse/otel") == []
    assert function.answer(places, event, LATER_MS, relay) == {"batchItemFailures": []}


def test_a_segment_that_still_waits_fails_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue brings it again. A bug in the mapping keeps no inbox from its commit."""
    url = f"sqlite://{tmp_path}/catalog.db?warehouse={tmp_path}/warehouse"
    event = event_of(relay_something(tmp_path, url))
    environ = {"OTLP2PARQUET_DESTINATION": url}
    places, relay = open_places(environ), open_relay(environ)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("otlp2parquet_ext.functions.relay.forming.form_files", broken)
    failed = function.answer(places, event, LATER_MS, relay)
    assert failed == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_plain_files_need_a_committer_for_raw_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have no table, so nothing is committed: they are visible once they are stored."""
    url = f"file://{tmp_path}/lake"
    name = relay_something(tmp_path, url)
    monkeypatch.setenv("OTLP2PARQUET_COMMITTER_DESTINATION", url)
    function._places.cache_clear()
    function._relay.cache_clear()
    assert function._places() == ()
    assert main(["commit", url, "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 raw segments wait\n"
    assert function.answer((), event_of(name), LATER_MS, function._relay()) == {
        "batchItemFailures": []
    }
    assert sum(rows(tmp_path / "lake")["logs"].values()) == 4
    function._places.cache_clear()
    function._relay.cache_clear()


def test_a_committer_imports_the_mapping_only_for_raw_segments() -> None:
    """It is a fifth of a committer's start, and most committers have no relay."""
    code = (
        "import sys, otlp2parquet_ext.functions.committer.function\n"
        "print('otlp2parquet_ext.records.mapping.mapper' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
