"""OTLP2PARQUET_CHECK=1.

The extension tries its destination at its start, on a thread of its own.
"""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from scripted_lambda import Extension, ScriptedLambda, invoke, shutdown
from telemetry_sinks import TOKEN, Tap, running

from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

EVENT = [{"time": "2026-03-14T09:26:53.540Z", "type": "function", "record": "hello"}]


class Listener:
    """Reads the log lines of the extension as they come."""

    def __init__(self, extension: Extension) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._extension = extension
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._extension.process.stderr is not None
        for line in self._extension.process.stderr:
            with self._news:
                self.lines.append(json.loads(line)["message"])
                self._news.notify_all()

    def until(self, text: str) -> None:
        """Wait until a line was logged."""
        with self._news:
            found = self._news.wait_for(lambda: any(text in line for line in self.lines), 60)
        assert found, self.lines

    def end(self) -> int:
        """Send SHUTDOWN; return the exit status once it is over."""
        self._extension.lambda_.events.put(shutdown())
        status = self._extension.process.wait(30)
        self._thread.join(10)
        return status


def test_each_step_is_said_and_all_is_fine(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """Each step logs a line, and the whole check another one. Telemetry is stored as usual."""
    extension = scripted.start(tmp_path, OTLP2PARQUET_CHECK="1", MAX_ITEMS="7")
    listener = Listener(extension)
    extension.until_next()
    assert extension.post(json.dumps(EVENT).encode()) == 200
    listener.until("check: all 4 steps are fine")
    assert listener.end() == 0
    said = "\n".join(listener.lines)
    assert "check: settings: " in said
    assert "MAX_ITEMS='7'" in said
    assert "check: write: ok: files can be written" in said
    rows = query.connect(f"file://{tmp_path}/lake").execute("SELECT Body FROM logs").fetchall()
    assert rows == [("hello",)]
    assert not list((tmp_path / "lake").rglob("otlp2parquet-ext-check*"))


def test_each_of_several_destinations_is_gone_through(
    scripted: ScriptedLambda, tmp_path: Path
) -> None:
    """Each step names its destination.

    A Data Tap gets the function's telemetry, and nothing else.
    """
    with running(Tap()) as tap:
        assert isinstance(tap, Tap)
        extension = scripted.start(
            tmp_path,
            OTLP2PARQUET_DESTINATION=f"{tap.url} file://{tmp_path}/lake",
            BD_TAP_CLIENT_TOKEN=TOKEN,
            OTLP2PARQUET_CHECK="1",
        )
        listener = Listener(extension)
        extension.until_next()
        assert extension.post(json.dumps(EVENT).encode()) == 200
        listener.until("check: all 6 steps are fine")
        assert listener.end() == 0
        assert [line["record"] for line in tap.lines] == ["hello"]
    said = "\n".join(listener.lines)
    assert f"check: server of {tap.url}: ok" in said
    assert f"check: write of {tmp_path}/lake: ok" in said
    assert TOKEN not in said


def test_a_failure_is_an_error_with_what_to_do(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """The function still runs."""
    lambda_role = {"OTLP2PARQUET_DESTINATION": "s3://bucket/x", "OTLP2PARQUET_CHECK": "1"}
    extension = scripted.start(tmp_path, **lambda_role)
    listener = Listener(extension)
    extension.until_next()
    listener.until("steps failed: credentials")
    scripted.events.put(invoke("r-1"))
    extension.until_next()
    assert listener.end() == 0
    assert any("does the function have an execution role?" in line for line in listener.lines)


def test_a_destination_that_hangs_holds_nobody(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """Invocations and SHUTDOWN happen while the check waits for its first answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"s3://bucket/x?endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        extension = scripted.start(
            tmp_path,
            OTLP2PARQUET_DESTINATION=url,
            OTLP2PARQUET_CHECK="1",
            OTLP2PARQUET_FLUSH="threshold",
            AWS_ACCESS_KEY_ID="nobody-at-all",
            AWS_SECRET_ACCESS_KEY="nothing-at-all",  # noqa: S106 - a test's
        )
        listener = Listener(extension)
        extension.until_next()
        listener.until("check: credentials: ok")
        for number in range(3):
            scripted.events.put(invoke(f"r-{number}"))
            extension.until_next()
        assert not any("steps failed" in line for line in listener.lines)
        assert listener.end() == 0


def test_without_the_variable_nothing_is_checked(scripted: ScriptedLambda, tmp_path: Path) -> None:
    """A check that is off costs nothing."""
    extension = scripted.start(tmp_path)
    listener = Listener(extension)
    extension.until_next()
    assert extension.post(json.dumps(EVENT).encode()) == 200
    assert listener.end() == 0
    assert not any("check" in line for line in listener.lines)
