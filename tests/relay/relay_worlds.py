"""Shared code of the tests of `relay`: environments that receive and flush, and their lake."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.extension.context import context_note, ending_note, invoke_note
from otlp2parquet_ext.flush.pipeline import FlushPipeline
from otlp2parquet_ext.functions.relay.folder import RelayFolder
from otlp2parquet_ext.functions.relay.forming import form_files
from otlp2parquet_ext.functions.relay.location import Formed, RelayLocation
from otlp2parquet_ext.functions.relay.opening import open_relay
from otlp2parquet_ext.lake.destinations.choose import choose
from otlp2parquet_ext.lake.storage.local import LocalStorage
from otlp2parquet_ext.records.tables.registry import TABLES
from otlp2parquet_ext.records.telemetry.values import EnvironmentContext, Invoke
from otlp2parquet_ext.spool import Appended, FrameKind, Spool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otlp2parquet_ext.lake.storage.storage import Storage

BASE_US = 1_773_480_413_000_000  # 2026-03-14T09:26:53Z
LATER_MS = 4_102_444_800_000  # 2100: no deadline
ALL = "logs,traces,metrics"


def text(time_us: int) -> str:
    """Return a time as Lambda spells it."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(time_us: int, type_: str, **record: Any) -> dict[str, Any]:
    """Return an event of the Telemetry API."""
    return {"time": text(time_us), "type": type_, "record": record}


class Environment:
    """An execution environment: its spool, and its flush side.

    Args:
        folder: its /tmp.
        number: one for each environment of a test.
        settings: variables.
    """

    def __init__(self, folder: Path, number: int, settings: Mapping[str, str]) -> None:
        self.now_us = BASE_US + number * 137_000
        self._requests = 0
        self._number = number
        self._spool = Spool(folder, 1 << 26, 0)
        instance = str(UUID(int=(1 << 64) + number))
        context = EnvironmentContext(
            instance_id=instance, function_name=f"orders-{number % 2}", region="eu-west-1"
        )
        self._spool.set_preamble([context_note(context)])
        self.side = FlushPipeline(load(settings)[0], settings)

    def deliver(self, *events: dict[str, Any]) -> None:
        """Receive a delivery."""
        self.now_us += 1_000
        body = json.dumps(events).encode()
        assert isinstance(self._spool.append(body, self.now_us, len(events)), Appended)

    def lines(self, count: int) -> None:
        """Receive lines of the function."""
        for number in range(count):
            self.now_us += 2_000
            self.deliver(
                {
                    "time": text(self.now_us),
                    "type": "function",
                    "record": f"line {number} at {self.now_us}",
                }
            )

    def begin(self) -> None:
        """Begin an invocation: INVOKE, then what Lambda delivers of its start."""
        self.now_us += 10_000
        self._requests += 1
        request = self.request
        self._spool.note(
            invoke_note(
                Invoke(
                    request_id=request,
                    received_us=self.now_us,
                    deadline_ms=self.now_us // 1_000 + 3_000,
                    first=self._requests == 1,
                )
            )
        )
        self.deliver(event(self.now_us, "platform.start", requestId=request, version="7"))

    def end(self) -> None:
        """End the invocation."""
        self.now_us += 20_000
        request, metrics = self.request, {"durationMs": 12.5, "producedBytes": 2}
        self.deliver(
            event(
                self.now_us,
                "platform.runtimeDone",
                requestId=request,
                status="success",
                metrics=metrics,
            ),
            event(
                self.now_us + 1_000,
                "platform.report",
                requestId=request,
                status="success",
                metrics={
                    "durationMs": 12.5,
                    "billedDurationMs": 13,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 60,
                },
            ),
        )

    @property
    def request(self) -> str:
        """The id of the latest invocation."""
        return f"r-{self._number}-{self._requests}"

    def shut_down(self) -> None:
        """Hear of SHUTDOWN."""
        self.now_us += 5_000
        kind, payload, _ = ending_note("spindown", self.now_us)
        self._spool.append(payload, self.now_us, 0, kind)

    def flush(self) -> None:
        """Store what was received."""
        self._spool.seal()
        for segment in list(self._spool.sealed):
            self.side.store(segment)
            self._spool.discard(segment)


def settings_of(url: str, commit: str) -> dict[str, str]:
    """Return the variables of an environment that wants all signals."""
    return {
        "OTLP2PARQUET_DESTINATION": url,
        "OTLP2PARQUET_COMMIT": commit,
        "OTLP2PARQUET_SIGNALS": ALL,
    }


def form(url: str) -> Formed:
    """Let a committer make files of all that waits."""
    relay = open_relay({"OTLP2PARQUET_DESTINATION": url})
    assert relay is not None
    return form_files(relay, LATER_MS)


def plain_location(storage: Storage, url: str) -> RelayLocation:
    """Return the place of a committer that uses a storage of the test."""
    settings, _ = load({"OTLP2PARQUET_DESTINATION": url})
    return RelayLocation(RelayFolder(storage), lambda: choose(settings, {}))


def rows(lake: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the rows of all tables of a folder of plain files, as DuckDB reads them."""
    found: dict[str, Counter[tuple[Any, ...]]] = {}
    for table in TABLES:
        files = sorted((lake / table.replace("_", "/", 1)).rglob("*.parquet"))
        if files:
            names = [str(file) for file in files]
            made = duckdb.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [names])
            found[table] = Counter(made.fetchall())
    return found


def relayed(lake: Path) -> list[str]:
    """Return the names of the raw segments that wait in a folder."""
    return sorted(path.name for path in (lake / "_relay" / "segments").glob("*"))


__all__ = ["Environment", "FrameKind", "LocalStorage", "form", "relayed", "rows", "settings_of"]
