"""What wakes the committer: events of Lambda as values. Pure.

    event --read_event()--> Wake: which descriptors it tells of, by message if it is of a queue

Events only say that there is something to do. All that waits is committed, so an event that comes
twice, late or never is no matter; what an event names decides no more than whether its message
has been dealt with.

Source: AWS Lambda developer guide, "Using Lambda with Amazon SQS", "Process Amazon S3 event
notifications"; Amazon S3 user guide, "Event message structure", "EventBridge".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH = 4
"""Envelopes in each other, at most: SQS around SNS around S3."""


class Wake(NamedTuple):
    """Why we were woken.

    Attributes:
        messages: of a queue, by id, each with the file names of the objects it tells of.
        names: of the objects that an event without a queue tells of.
        queued: the event came from a queue: who fails says which messages do.
        foreign: messages that tell of no object, for whatever reason.
    """

    messages: dict[str, frozenset[str]]
    names: frozenset[str]
    queued: bool
    foreign: int


def read_event(event: object) -> Wake:
    """Read an event of any source; one that tells of no object wakes us all the same."""
    records = _list(event, "Records")
    if not any("messageId" in record for record in records):
        return Wake({}, frozenset(_names(event)), queued=False, foreign=0)
    messages: dict[str, frozenset[str]] = {}
    foreign = 0
    for record in records:
        names = frozenset(_names(record.get("body")))
        foreign += not names
        messages[str(record.get("messageId"))] = names
    return Wake(messages, frozenset(), queued=True, foreign=foreign)


def _names(event: object, depth: int = DEPTH) -> Iterator[str]:
    """Yield the file names of objects an event tells of, through any envelope."""
    if depth == 0:
        return
    if isinstance(event, str):
        try:
            yield from _names(json.loads(event), depth - 1)
        except (ValueError, RecursionError):
            return
    if not isinstance(event, dict):
        return
    detail = event.get("detail")
    if isinstance(detail, dict):  # EventBridge: the key as it is
        yield from _name(detail, quoted=False)
    if "Message" in event:  # SNS
        yield from _names(event["Message"], depth - 1)
    for record in _list(event, "Records"):
        if isinstance(record.get("s3"), dict):
            yield from _name(record["s3"], quoted=True)
        elif isinstance(record.get("Sns"), dict):
            yield from _names(record["Sns"], depth - 1)


def _name(holder: dict[str, Any], *, quoted: bool) -> Iterator[str]:
    """Yield the last part of an object's key."""
    about = holder.get("object")
    key = about.get("key") if isinstance(about, dict) else None
    if isinstance(key, str):
        name = (unquote_plus(key) if quoted else key).rpartition("/")[2]
        if name:
            yield name


def _list(event: object, key: str) -> list[dict[str, Any]]:
    found = event.get(key) if isinstance(event, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
