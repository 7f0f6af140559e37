"""Reads the few facts that the receiver needs from a body, fast.

    receiver --body--> peek() --> Peek: number of events, invocations that are done

Only an event's own `type` counts. A function may log a text like `platform.runtimeDone`; inside a
`record` it is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.telemetry.decode import Event, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDS = ("platform.runtimeDone", "platform.report")


class Peek(msgspec.Struct, frozen=True):
    """The facts about a body.

    Attributes:
        well_formed: every part of the body is an event.
        events: number of rows of the body: events, and malformed parts.
        done: request ids with a `platform.runtimeDone` in the body.
        reported: request ids with a `platform.report` in the body.
    """

    well_formed: bool
    events: int
    done: frozenset[str] = frozenset()
    reported: frozenset[str] = frozenset()


class _Element(msgspec.Struct, gc=False):
    type: str
    record: msgspec.Raw = msgspec.Raw(b"null")


class _Request(msgspec.Struct, gc=False):
    request_id: str = msgspec.field(default="", name="requestId")


_decode_elements = msgspec.json.Decoder(list[_Element]).decode
_decode_request = msgspec.json.Decoder(_Request).decode


def peek(body: bytes) -> Peek:
    """Read the facts of one delivery's body. It never raises, for any bytes.

    Source: AWS Lambda developer guide, "Telemetry API Event schema reference".
    """
    try:
        elements = _decode_elements(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        parts = decode(body)
        events = [part for part in parts if isinstance(part, Event)]
        return _peek(len(parts), events, well_formed=len(events) == len(parts) > 0)
    return _peek(len(elements), elements, well_formed=True)


def _peek(parts: int, events: Sequence[Event | _Element], *, well_formed: bool) -> Peek:
    ends = [event for event in events if event.type in ENDS]
    done, reported = (
        frozenset(_request_id(end.record) for end in ends if end.type == kind) - {""}
        for kind in ENDS
    )
    return Peek(well_formed, parts, done, reported)


def _request_id(record: msgspec.Raw) -> str:
    try:
        return _decode_request(record).request_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
