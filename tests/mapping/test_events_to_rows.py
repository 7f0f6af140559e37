"""Each kind of event, as captured, beside the columns it must give.

The cases are in `events/*.json`, one file per family; only the columns a case names are compared.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from otlp2parquet_ext.records.mapping.invocations import Invocations
from otlp2parquet_ext.records.mapping.logs import log_table
from otlp2parquet_ext.records.tables.logs import LOGS
from otlp2parquet_ext.records.telemetry.values import Delivery, EnvironmentContext

OBSERVED_US = 1_773_482_400_000_000  # 2026-03-14T10:00:00Z
CONTEXT = EnvironmentContext(
    instance_id="i-1",
    function_name="orders",
    function_version="17",
    memory_mb=512,
    region="eu-west-1",
)


class Case(msgspec.Struct):
    """One event and the columns it must give."""

    case: str
    event: msgspec.Raw
    row: dict[str, object]
    managed: bool = False


CASES = {
    f"{path.stem}: {case.case}": case
    for path in sorted((Path(__file__).parent / "events").glob("*.json"))
    for case in msgspec.json.decode(path.read_bytes(), type=list[Case])
}


def expected(column: str, value: object) -> object:
    """Give a column's expected value as Arrow gives it."""
    if column in {"Timestamp", "TimestampTime", "ObservedTimestamp"}:
        return datetime.fromisoformat(str(value))
    return value


def found(column: str, value: object) -> object:
    """Give a column's value as the cases write it: JSON columns as objects."""
    if column in {"LogAttributes", "ResourceAttributes"}:
        return json.loads(str(value))
    return value


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_event_gives_the_columns_the_reference_says(case: Case) -> None:
    """The mapping is a table in the reference; these are its rows."""
    context = msgspec.structs.replace(CONTEXT, managed=case.managed)
    body = b"[" + bytes(case.event) + b"]"
    made = log_table([Delivery(body, OBSERVED_US)], context, Invocations())
    assert made.malformed == 0
    assert made.table.schema.equals(LOGS, check_metadata=True)
    (row,) = made.table.to_pylist()
    for column, value in case.row.items():
        assert found(column, row[column]) == expected(column, value), column


def test_a_mapped_event_reads_the_same_with_white_space_in_it() -> None:
    """Whether or not the platform compacts what a function wrote is not ours to know."""
    events = [json.loads(bytes(case.event)) for case in CASES.values()]
    tables = [
        log_table([Delivery(body.encode(), OBSERVED_US)], CONTEXT, Invocations()).table
        for body in (
            json.dumps(events, separators=(",", ":"), ensure_ascii=False),
            json.dumps(events, indent=2),
        )
    ]
    assert tables[0].equals(tables[1])


def test_a_record_is_read_alike_in_text_and_in_json_log_format() -> None:
    """The log format is the operator's choice, the schema version ours; the rows are the user's."""
    events = [json.loads(bytes(case.event)) for case in CASES.values()]
    objects = [
        event
        for event in events
        if event["type"] in {"function", "extension"} and isinstance(event.get("record"), dict)
    ]
    lines = [{**event, "record": json.dumps(event["record"]) + "\n"} for event in objects]
    as_objects, as_lines = (
        log_table([Delivery(json.dumps(body).encode(), OBSERVED_US)], CONTEXT, Invocations()).table
        for body in (objects, lines)
    )
    assert len(objects) > 30
    assert as_lines.equals(as_objects)
