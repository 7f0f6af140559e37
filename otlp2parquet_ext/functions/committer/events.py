"""The events that invoke the committer, as values. Pure.

    event --read_event()--> Wake: the descriptors that it names, by message if from a queue

An event only triggers the committer, which commits all waiting files of a table. So an event that
arrives twice, late or never does no harm. The names in an event decide two things: the tables to
check besides that of logs, and whether its message is done. An event without names, for example
from a schedule, checks all tables.

Source: AWS Lambda developer guide, "Using Lambda with Amazon SQS", "Process Amazon S3 event
notifications"; Amazon S3 user guide, "Event message structure", "EventBridge".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from otlp2parquet_ext.lake.iceberg.commit.set_aside import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEPTH = 4
"""Most nested envelopes: SQS around SNS around S3."""


class Wake(NamedTuple):
    """The content of an event.

    Attributes:
        messages: file names of the objects in each message of a queue, by message id.
        names: file names of the objects in an event without a queue.
        queued: the event came from a queue, so the response lists the failed messages.
        foreign: number of messages without an object.
        tables: names of the objects' tables, for objects whose path has one.
    """

    messages: dict[str, frozenset[str]]
    names: frozenset[str]
    queued: bool
    foreign: int
    tables: frozenset[str] = frozenset()

    @property
    def named_keys(self) -> frozenset[str]:
        """The file names of all objects in the event."""
        return self.names.union(*self.messages.values())


def read_event(event: object) -> Wake:
    """Parse an event of any source; an event without objects is valid, too."""
    records = _list(event, "Records")
    if not any("messageId" in record for record in records):
        keys = list(_keys(event))
        return Wake({}, _names(keys), queued=False, foreign=0, tables=_tables(keys))
    messages: dict[str, frozenset[str]] = {}
    foreign, tables = 0, set[str]()
    for record in records:
        keys = list(_keys(record.get("body")))
        names = _names(keys)
        foreign += not names
        messages[str(record.get("messageId"))] = names
        tables |= _tables(keys)
    return Wake(messages, frozenset(), queued=True, foreign=foreign, tables=frozenset(tables))


def _names(keys: Iterable[str]) -> frozenset[str]:
    """Return the file names of objects."""
    return frozenset(name for key in keys if (name := key.rpartition("/")[2]))


def _tables(keys: Iterable[str]) -> frozenset[str]:
    """Return the names of the folders above the inboxes: `logs` in `…/logs/inbox/name`."""
    found = (key.split("/") for key in keys)
    return frozenset(p[-3] for p in found if len(p) > 2 and p[-2] == FOLDER)


def _keys(event: object, depth: int = DEPTH) -> Iterator[str]:
    """Yield the keys of the objects in an event, inside any envelopes."""
    if depth == 0:
        return
    if isinstance(event, str):
        try:
            yield from _keys(json.loads(event), depth - 1)
        except (ValueError, RecursionError):
            return
    if not isinstance(event, dict):
        return
    detail = event.get("detail")
    if isinstance(detail, dict):  # EventBridge: the key is not quoted
        yield from _key(detail, quoted=False)
    if "Message" in event:  # SNS
        yield from _keys(event["Message"], depth - 1)
    for record in _list(event, "Records"):
        if isinstance(record.get("s3"), dict):
            yield from _key(record["s3"], quoted=True)
        elif isinstance(record.get("Sns"), dict):
            yield from _keys(record["Sns"], depth - 1)


def _key(holder: dict[str, Any], *, quoted: bool) -> Iterator[str]:
    """Yield an object's key."""
    about = holder.get("object")
    key = about.get("key") if isinstance(about, dict) else None
    if isinstance(key, str):
        yield unquote_plus(key) if quoted else key


def _list(event: object, key: str) -> list[dict[str, Any]]:
    found = event.get(key) if isinstance(event, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
