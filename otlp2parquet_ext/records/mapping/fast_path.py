"""The fast path for common records of a function: JSON objects with a message, lines of text.

    event --FastPath.row()--> Row, or None: the event is not common, and `Mapper` maps it

Both paths give the same row (tests/mapping/test_fast_path.py). This one makes few objects, and
looks up each shape, level and invocation once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.records.mapping.fields import encode, read_proven
from otlp2parquet_ext.records.mapping.rows import Row
from otlp2parquet_ext.records.mapping.severity import UNSPECIFIED, severity
from otlp2parquet_ext.records.mapping.shapes import (
    OWN_REQUEST_KEYS,
    Shape,
    Shapes,
    learn_shape,
)
from otlp2parquet_ext.records.mapping.text_lines import text_line
from otlp2parquet_ext.records.mapping.times import NEAR_US, SECOND_US, Clock, has_fraction
from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace, trace_id
from otlp2parquet_ext.records.telemetry.decode import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.records.mapping.fields import Values
    from otlp2parquet_ext.records.mapping.invocations import InvocationWindow

_OBJECT, _TEXT = b"{", b'"'
_LINES = frozenset({"function", "extension"})
_decode_text = msgspec.json.Decoder(str).decode


class FastPath:
    """Maps common records of one batch; its caches end with the batch.

    Args:
        clock: reads the times of events.
        invocation: finds the invocation for a type of event, a request id if any, and a time.
        opening: returns the first attributes for a type of event and a request id.
        is_invocation: tells whether an id is that of an invocation; see `Invocations`.
        near_us: as for `Mapper`.
    """

    def __init__(
        self,
        clock: Clock,
        invocation: Callable[[str, str | None, int], InvocationWindow | None],
        opening: Callable[[str, str | None], bytes],
        is_invocation: Callable[[str], bool],
        near_us: int = NEAR_US,
    ) -> None:
        self._is_invocation = is_invocation
        self._near_us = near_us
        self._read_time = clock.read
        self._read_own_time = Clock().read
        self._invocation = invocation
        self._opening = opening
        self._shapes: Shapes = {}
        self._severity = cache(severity)
        self._trace = cache(_trace)
        self._proof = bytearray()

    def row(self, event: Event) -> Row | None:
        """Return the event's row; None if the event is not a common one."""
        event_type = event.type
        if event_type not in _LINES or type(event) is not Event:
            return None
        time_us = self._read_time(event.time)
        if time_us is None:
            return None
        record = bytes(event.record)
        first = record[:1]
        if first == _OBJECT:
            return self._object(event_type, record, event.time, time_us)
        return self._text(event_type, record, time_us) if first == _TEXT else None

    def _text(self, event_type: str, record: bytes, time_us: int) -> Row | None:
        text = _decode_text(record)
        if text[:1] == "{":
            return self._object(event_type, text.rstrip().encode(), "", time_us)
        level, named = text_line(text)
        if text[-1:] in {"\n", "\r"}:
            text = text[:-2] if text[-2:] == "\r\n" else text[:-1]
        request_id: str | None = named or None
        invocation = self._invocation(event_type, request_id, time_us)
        trace = NO_TRACE
        if invocation is not None:
            trace = invocation.trace
            request_id = request_id or invocation.request_id
        attributes = self._opening(event_type, request_id) + b"}"
        return Row(event_type, time_us, text, attributes, level, trace, request_id)

    def _object(self, event_type: str, record: bytes, event_time: str, event_us: int) -> Row | None:
        values = read_proven(record, self._proof)
        if values is None:
            return None
        keys = tuple(values)
        shape = self._shapes.get(keys) or learn_shape(self._shapes, keys)
        if shape is None:
            return None
        return self._of_shape(shape, values, event_type, event_time, event_us)

    def _of_shape(  # noqa: C901, PLR0911, PLR0912 - one call more is a percent of an event
        self,
        shape: Shape,
        values: Values,
        event_type: str,
        event_time: str,
        event_us: int,
    ) -> Row | None:
        level_key, time_key, request_key, trace_key = shape
        message = values.pop("message")
        if type(message) is not str:
            return None
        level, time_us, own = UNSPECIFIED, event_us, None
        request_id: str | None = None
        if level_key:
            word = values.pop(level_key)
            if type(word) is not str or not word:
                return None
            level = self._severity(word)
        if request_key:
            named = values[request_key]
            if type(named) is not str or not named:
                return None
            if request_key in OWN_REQUEST_KEYS or self._is_invocation(named):
                del values[request_key]
                request_id = named
        if trace_key:
            text = values.pop(trace_key)
            if type(text) is not str or (own := self._trace(text)) is None:
                return None
        if time_key:
            text = values[time_key]
            if type(text) is not str:
                return None
            own_us = event_us if text == event_time else self._read_own_time(text)
            if own_us is None:
                return None
            apart_us = own_us - event_us
            if not -self._near_us <= apart_us <= self._near_us:
                pass  # the time of another thing, which stays an attribute
            elif has_fraction(text) or not -SECOND_US < apart_us < SECOND_US:
                del values[time_key]
                time_us = own_us
            elif own_us == event_us - event_us % SECOND_US:
                del values[time_key]
        invocation = self._invocation(event_type, request_id, event_us)
        trace = NO_TRACE
        if invocation is not None:
            trace = invocation.trace
            request_id = request_id or invocation.request_id
        if own is not None and own.trace_id != trace.trace_id:
            trace = own
        opening = self._opening(event_type, request_id)
        attributes = opening + b"," + encode(values)[1:] if values else opening + b"}"
        return Row(event_type, time_us, message, attributes, level, trace, request_id)


def _trace(text: str) -> Trace | None:
    found = trace_id(text)
    return None if found is None else Trace(found)  # `Mapper` parses a header
