"""OTLP requests as they are sent on: counted, cut in two, and what the answer says of them.

    payload --Export--> pieces, records, cut      answer --rejected()--> how many, and why

Cut is only what a server refuses whole, or what is too long for it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.records.otlp.messages import (
    LEVELS,
    Signal,
    points,
    request_class,
    response_class,
    scopes,
)
from otlp2parquet_ext.records.telemetry.own_events import EVENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

_REJECTED = {
    Signal.LOGS: "rejected_log_records",
    Signal.TRACES: "rejected_spans",
    Signal.METRICS: "rejected_data_points",
}


class Export:
    """A request; its pieces are log records, spans, or metrics.

    Args:
        signal: what it carries.
        payload: protobuf `Export…ServiceRequest`, one that can be read.
    """

    def __init__(self, signal: Signal, payload: bytes) -> None:
        self.signal = signal
        self._payload = payload

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return len(self._payload)

    @cached_property
    def pieces(self) -> int:
        """How many pieces there are."""
        return sum(len(records) for *_, records in scopes(self.signal, self._parsed()))

    def records(self) -> int:
        """Count log records, spans or data points, but records that tell of losses."""
        return sum(map(self._count, self._all()))

    def _count(self, record: Any) -> int:
        if self.signal is Signal.METRICS:
            return len(points(record)[1])
        return int(self.signal is not Signal.LOGS or record.event_name != EVENT_TYPE)

    def _all(self) -> Iterator[Any]:
        for *_, records in scopes(self.signal, self._parsed()):
            yield from records

    def body(self, attempt: int) -> bytes:
        """Return the request; nothing in it says how often it was sent."""
        del attempt
        return self._payload

    def cut(self, at: int) -> tuple[Export, Export]:
        """Return the first `at` pieces and the others; what they belong to goes with both."""
        first, rest = self._parsed(), self._parsed()
        for one, other in zip(scopes(self.signal, first), scopes(self.signal, rest), strict=True):
            kept = min(at, len(one[3]))
            del one[3][kept:]
            del other[3][:kept]
            at -= kept
        return self._of(first), self._of(rest)

    def _of(self, request: Any) -> Export:
        resources, in_resource, in_scope = LEVELS[self.signal]
        for resource in getattr(request, resources):
            _keep(getattr(resource, in_resource), in_scope)
        _keep(getattr(request, resources), in_resource)
        return Export(self.signal, request.SerializeToString())

    def _parsed(self) -> Any:
        return request_class(self.signal).FromString(self._payload)


def _keep(messages: Any, field: str) -> None:
    """Take away the messages in which a field is empty."""
    for index in reversed(range(len(messages))):
        if not getattr(messages[index], field):
            del messages[index]


def rejected(signal: Signal, body: bytes) -> tuple[int, str]:
    """Read a 200's body: how many records were rejected, and what the server has to say.

    Args:
        signal: of the request.
        body: protobuf `Export…ServiceResponse`; one that cannot be read says nothing.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - with the first request

    try:
        partial: Any = response_class(signal).FromString(body)
    except DecodeError:
        return 0, ""
    partial_success = partial.partial_success
    return max(0, getattr(partial_success, _REJECTED[signal])), quote(partial_success.error_message)
