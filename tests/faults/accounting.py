"""The books of one cell: every event by its own name, in each place it may be.

    sent      what the extension acknowledged: it may not be lost from then on
    committed rows of the table, as DuckDB sees them
    inbox     rows of files that are stored and wait for a committer
    spool     events of frames that lie in /tmp
    dropped   records the extension's own rows say it has lost

Records of OTLP have no names of their own: those of one request are known by its scope, and by how
many they are. A row of text is as many events or records as the body it holds.

Nothing here knows how a row came about; `runner.py` does.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from places import Place

from otlp2parquet_ext.spool import Frame, FrameKind, read_frames
from otlp2parquet_ext.tools import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from faults.sinks import Sunk
    from otlp2parquet_ext.tools.local import Outcome

Keys = Counter[str]

DROPPED = "otlp2parquet_ext.dropped"
TEXT = "otlp2parquet_ext.malformed"
OTLP_TEXT = "OTLP logs "
FORGED = "forged"
KEYS = f"""
    SELECT CASE
        WHEN ScopeName LIKE 'otlp-%' THEN ScopeName
        WHEN EventName = 'function' THEN split_part(Body, ' ', 1)
        ELSE concat_ws(' ', EventName, strftime(Timestamp, '%Y-%m-%dT%H:%M:%S.%gZ'),
                       coalesce(FaasInvocationId, ''))
    END, count(*)
    FROM logs
    WHERE coalesce(EventName, '') NOT IN ('{DROPPED}', '{TEXT}', '{FORGED}')
    GROUP BY 1
"""  # noqa: S608 - a constant
TEXTS = f"""
    SELECT Body FROM logs WHERE EventName = '{TEXT}'
"""  # noqa: S608 - a constant
DROPS = f"""
    SELECT LogAttributes FROM logs WHERE EventName = '{DROPPED}'
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Table:
    """The visible rows by key, and the rows of losses.

    Attributes:
        claimed: rows that the snapshot's summary counts and a reader does not find.
        unreadable: why the table cannot be read, if so.
    """

    keys: Keys
    losses: tuple[Mapping[str, Any], ...]
    claimed: int = 0
    unreadable: str = ""

    @property
    def dropped(self) -> int:
        """Return how many records those rows count as lost."""
        return sum(int(loss["droppedRecords"]) for loss in self.losses)


@dataclass(frozen=True)
class Books:
    """Counts of one cell.

    Attributes:
        sent: acknowledged events.
        committed, inbox, spool: where they were when the last process had ended; what is in
            several places counts in the first.
        dropped: counted by rows of losses, in the end.
        lost: neither committed nor dropped, in the end.
        twice: surplus rows, in the end.
        overcounted: records that rows say were dropped, and were not.
        claimed: rows that the table's summary counts and that do not exist.
        unreadable: why the table cannot be read in the end, if it cannot.
    """

    sent: int
    committed: int
    inbox: int
    spool: int
    dropped: int
    lost: int
    twice: int
    overcounted: int = 0
    claimed: int = 0
    unreadable: str = ""


@dataclass(frozen=True)
class Ledger:
    """OTLP requests of a function: records by scope, of those it sent, and of those taken."""

    sent: Keys = field(default_factory=Keys)
    taken: Keys = field(default_factory=Keys)


def ledger_of(path: Path) -> Ledger:
    """Read what a function wrote down of its exports."""
    ledger = Ledger()
    for line in path.read_text().splitlines() if path.exists() else ():
        what, marker, records = line.split(" ")
        (ledger.taken if what == "+" else ledger.sent)[marker] += int(records)
    return ledger


def books(
    outcomes: Iterable[Outcome],
    sent: Keys,
    after: tuple[Table, Keys, Keys],
    final: Table,
    *,
    ledger: Ledger | None = None,
    kept: Keys | None = None,
) -> Books:
    """Close the books.

    Args:
        outcomes: of all runs, the one that recovers included.
        sent: of the first one.
        after: table, inbox and spool when that had ended.
        final: the table after the recovery.
        ledger: of the function's exports, if it exports anything.
        kept: what is in the spool for good, and not lost.
    """
    ledger = ledger or Ledger()
    runs = list(outcomes)
    acknowledged = sum((acknowledged_keys(run) for run in runs), ledger.taken)
    generated = sum((generated_keys(run) for run in runs), ledger.sent)
    acknowledged -= kept or Keys()
    return closed(sent + ledger.taken, acknowledged, generated, after, final)


def closed(
    sent: Keys, acknowledged: Keys, generated: Keys, after: tuple[Table, Keys, Keys], final: Table
) -> Books:
    """Close the books over what was sent, acknowledged in all, and could be known at all."""
    table, inbox, spool = after
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
        overcounted=max(0, final.dropped - (generated - final.keys).total()),
        claimed=final.claimed,
        unreadable=final.unreadable,
    )


def acknowledged_keys(outcome: Outcome) -> Keys:
    """Count what was acknowledged."""
    return Keys(key_of(event) for event in outcome.acknowledged)


def generated_keys(outcome: Outcome) -> Keys:
    """Count all events that were ever generated."""
    return Keys(
        _key(event.type, event.time, event.record)
        for event in outcome.events
        if event.topic() != "extension"
    )


def key_of(event: Mapping[str, Any]) -> str:
    """Return the key of an event as Lambda delivers it; `KEYS` has the same key for its row."""
    return _key(event["type"], event["time"], event["record"])


def _key(kind: str, time: str, record: object) -> str:
    if kind == "function":
        return str(record).partition(" ")[0]
    request_id = record.get("requestId", "") if isinstance(record, dict) else ""
    return f"{kind} {time} {request_id}"


def table_of(place: Place | Sunk) -> Table:
    """Read what is visible."""
    if not isinstance(place, Place):
        return place.table()
    if not any(name.endswith(".parquet") for name in place.objects.names()):
        return Table(Keys(), ())
    try:
        connection = query.connect(place.url, environ=place.variables)
    except query.QueryError:  # files, but no table yet
        return Table(Keys(), ())
    try:
        with connection:
            return Table(_keys(connection), _losses(connection), _claimed(place, connection))
    except duckdb.Error as error:
        return Table(Keys(), (), unreadable=str(error))


def inbox_of(place: Place | Sunk) -> Keys:
    """Read the files whose descriptors wait; what is forged describes none."""
    found = Keys()
    if not isinstance(place, Place) or not place.has_catalog:
        return found
    for name in place.inbox():
        try:
            path = json.loads(place.waiting.read(name))["path"]
            data = place.objects.read(f"data/{path.partition('/data/')[2]}")
            logs = pq.read_table(io.BytesIO(data))
        except (OSError, ValueError, TypeError, KeyError, RecursionError, ClientError):
            continue  # forged, or gone meanwhile
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("logs", logs)
            found += _keys(connection)
    return found


def spool_of(tmp: Path, *, without: str = "") -> Keys:
    """Read every whole frame below a folder; one that is there twice counts once.

    Args:
        tmp: the folder.
        without: segments with this text are skipped; "" for none.
    """
    data = (path.read_bytes() for path in tmp.rglob("*.seg"))
    bodies = {
        part.digest: part.payload
        for segment in data
        if not without or without.encode() not in segment
        for part in read_frames(segment)
        if isinstance(part, Frame) and part.kind in (FrameKind.DELIVERY, FrameKind.OTLP_LOGS)
    }
    return sum((_body_keys(body) for body in bodies.values()), Keys())


def _body_keys(body: bytes) -> Keys:
    """Count what a delivery or a request holds."""
    if body.startswith(b"["):
        return Keys(key_of(event) for event in json.loads(body))
    found = Keys()
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            found[scope.scope.name] += len(scope.log_records)
    return found


def _keys(connection: duckdb.DuckDBPyConnection) -> Keys:
    found = Keys(dict(connection.execute(KEYS).fetchall()))
    for (text,) in connection.execute(TEXTS).fetchall():
        otlp = text.startswith(OTLP_TEXT)
        found += _body_keys(base64.b64decode(text[len(OTLP_TEXT) :]) if otlp else text.encode())
    return found


def _claimed(place: Place, connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many rows the table's own summary counts beyond those that exist."""
    if not place.has_catalog:
        return 0
    metadata = place.metadata()
    current = metadata.get("current-snapshot-id")
    summaries = (it["summary"] for it in metadata["snapshots"] if it["snapshot-id"] == current)
    said = sum(int(summary["total-records"]) for summary in summaries)
    (found,) = connection.execute("SELECT count(ObservedTimestamp) FROM logs").fetchone() or (0,)
    return said - int(found)


def _losses(connection: duckdb.DuckDBPyConnection) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(text) for (text,) in connection.execute(DROPS).fetchall())
