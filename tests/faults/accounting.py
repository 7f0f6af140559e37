"""The books of one cell: every event by its own name, in each place it may be.

    sent      what the extension acknowledged: it may not be lost from then on
    committed rows of the table, as DuckDB sees them
    inbox     rows of files that are stored and wait for a committer
    spool     events of frames that lie in /tmp
    dropped   records the extension's own rows say it has lost

Nothing here knows how a row came about; `runner.py` does.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from otlp2parquet_ext import query
from otlp2parquet_ext.committer.opening import open_place
from otlp2parquet_ext.spool import Frame, Kind, read_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from places import Place

    from otlp2parquet_ext.local import Outcome

Keys = Counter[str]

ALL_FILES = 100_000
DROPPED = "otlp2parquet_ext.dropped"
KEYS = f"""
    SELECT CASE EventName
        WHEN 'function' THEN split_part(Body, ' ', 1)
        ELSE concat_ws(' ', EventName, strftime(Timestamp, '%Y-%m-%dT%H:%M:%S.%gZ'),
                       coalesce(FaasInvocationId, ''))
    END, count(*)
    FROM logs WHERE EventName <> '{DROPPED}' GROUP BY 1
"""  # noqa: S608 - a constant
DROPS = f"""
    SELECT LogAttributes FROM logs WHERE EventName = '{DROPPED}'
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Table:
    """What is visible: rows by key, and the rows that tell of losses."""

    keys: Keys
    losses: tuple[Mapping[str, Any], ...]

    @property
    def dropped(self) -> int:
        """How many records those rows say were lost."""
        return sum(int(loss["droppedRecords"]) for loss in self.losses)


@dataclass(frozen=True)
class Books:
    """Counts of one cell.

    Attributes:
        sent: acknowledged events.
        committed, inbox, spool: where they were when the last process had ended; what is in
            several places counts in the first.
        dropped: told of by rows, in the end.
        lost: neither committed nor dropped, in the end.
        twice: rows there are too many of, in the end.
    """

    sent: int
    committed: int
    inbox: int
    spool: int
    dropped: int
    lost: int
    twice: int


def books(
    outcomes: Iterable[Outcome], sent: Keys, after: tuple[Table, Keys, Keys], final: Table
) -> Books:
    """Close the books.

    Args:
        outcomes: of all runs, the one that recovers included.
        sent: of the first one.
        after: table, inbox and spool when that had ended.
        final: the table after the recovery.
    """
    table, inbox, spool = after
    runs = list(outcomes)
    acknowledged = sum((acknowledged_keys(run) for run in runs), Keys())
    generated = sum((generated_keys(run) for run in runs), Keys())
    waiting = inbox - table.keys
    missing = acknowledged - final.keys
    return Books(
        sent=sent.total(),
        committed=(sent & table.keys).total(),
        inbox=(sent & waiting).total(),
        spool=(sent & (spool - table.keys - waiting)).total(),
        dropped=final.dropped,
        lost=max(0, missing.total() - final.dropped),
        twice=(final.keys - generated).total(),
    )


def acknowledged_keys(outcome: Outcome) -> Keys:
    """Count what was acknowledged."""
    return Keys(key_of(event) for event in outcome.acknowledged)


def generated_keys(outcome: Outcome) -> Keys:
    """Count all that there ever was to be told of."""
    return Keys(
        _key(event.type, event.time, event.record)
        for event in outcome.events
        if event.topic() != "extension"
    )


def key_of(event: Mapping[str, Any]) -> str:
    """Name an event as Lambda delivers it; `KEYS` names its row likewise."""
    return _key(event["type"], event["time"], event["record"])


def _key(kind: str, time: str, record: object) -> str:
    if kind == "function":
        return str(record).partition(" ")[0]
    request_id = record.get("requestId", "") if isinstance(record, dict) else ""
    return f"{kind} {time} {request_id}"


def table_of(place: Place) -> Table:
    """Read what is visible."""
    if not any(name.endswith(".parquet") for name in place.objects.names()):
        return Table(Keys(), ())
    try:
        connection = query.connect(place.url, environ=place.variables)
    except query.QueryError:  # files, but no table yet
        return Table(Keys(), ())
    with connection:
        return Table(_keys(connection), _losses(connection))


def inbox_of(place: Place) -> Keys:
    """Read the files whose descriptors wait."""
    found = Keys()
    if not place.has_catalog:
        return found
    inbox = open_place(place.variables).inbox
    for file in inbox.take(ALL_FILES):
        storage = inbox.storage_of(file)
        logs = pq.read_table(io.BytesIO(storage.get(storage.path(file.path))))
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("logs", logs)
            found += _keys(connection)
    return found


def spool_of(tmp: Path) -> Keys:
    """Read every whole frame below a folder; one that lies there twice counts once."""
    bodies = {
        part.digest: part.payload
        for path in tmp.rglob("*.seg")
        for part in read_frames(path.read_bytes())
        if isinstance(part, Frame) and part.kind is Kind.DELIVERY
    }
    return Keys(key_of(event) for body in bodies.values() for event in json.loads(body))


def _keys(connection: duckdb.DuckDBPyConnection) -> Keys:
    return Keys(dict(connection.execute(KEYS).fetchall()))


def _losses(connection: duckdb.DuckDBPyConnection) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(text) for (text,) in connection.execute(DROPS).fetchall())
