"""Rows the user does not want."""

from __future__ import annotations

import json

import pytest

from otlp2parquet_ext.records.mapping.exclude import exclusion
from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

REQUEST = "6f7f0961-f834-4211-8a7d-6b4dc5a0e8fd"
EVENTS = [
    ("platform.start", {"requestId": REQUEST, "version": "17"}),
    ("function", {"level": "DEBUG", "message": "debug"}),
    ("function", {"level": "WARN", "message": "warn"}),
    ("function", "plain"),
    ("platform.extension", {"name": "other", "state": "Ready", "events": []}),
    ("otlp2parquet_ext.dropped", {"droppedRecords": 1, "droppedBytes": 2, "reason": "r"}),
    ("platform.logsDropped", {"droppedRecords": 1, "droppedBytes": 2, "reason": "r"}),
]


def rows(text: str) -> list[tuple[str, str | None, str | None]]:
    """Map the events and a malformed body; give (event, body, request id) of the rows left."""
    events = [
        {"time": f"2026-03-14T09:26:53.{number:03}Z", "type": kind, "record": record}
        for number, (kind, record) in enumerate(EVENTS)
    ]
    bodies = [Delivery(json.dumps(events).encode(), 1), Delivery(b"no json", 2)]
    exclude, problems = exclusion(text)
    assert problems == []
    table = log_table(bodies, EnvironmentContext(instance_id="i"), Invocations(), exclude).table
    columns = (table.column(name).to_pylist() for name in ("EventName", "Body", "FaasInvocationId"))
    return list(zip(*columns, strict=True))


NAMES = [kind for kind, _ in EVENTS] + ["otlp2parquet_ext.malformed"]


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("", []),
        ("platform.extension", [4]),
        ("platform.*", [0, 4, 6]),
        ("platform.start , function", [0, 1, 2, 3]),
        ("<WARN", [0, 1, 4]),
        ("< warning", [0, 1, 4]),
        ("<INFO,<FATAL", [0, 1, 2, 4, 6]),
        ("otlp2parquet_ext.*,<FATAL", [0, 1, 2, 4, 6]),
        ("platform.*,function,<TRACE", [0, 1, 2, 3, 4, 6]),
    ],
)
def test_a_list_excludes_types_and_severities(text: str, gone: list[int]) -> None:
    """Records without a severity stay, and so do our own rows of losses."""
    left = [name for number, name in enumerate(NAMES) if number not in gone]
    assert [name for name, _, _ in rows(text)] == left


def test_an_excluded_start_still_opens_its_invocation() -> None:
    """Rows are excluded, not what they teach."""
    assert [
        (body, request) for name, body, request in rows("platform.*") if name == "function"
    ] == [
        ("debug", REQUEST),
        ("warn", REQUEST),
        ("plain", REQUEST),
    ]


@pytest.mark.parametrize("entry", ["<LOUD", "*", "<", "a b", "plat*form", "platform.**", "é"])
def test_a_bad_entry_is_said_and_the_others_count(entry: str) -> None:
    """It names the entry and what is valid."""
    exclude, problems = exclusion(f"platform.start,{entry},<WARN")
    assert bool(exclude)
    assert len(problems) == 1
    assert problems[0].startswith(
        f"OTLP2PARQUET_EXCLUDE: {entry!r} is neither the type of an event"
    )
    assert problems[0].endswith("it has no effect")
