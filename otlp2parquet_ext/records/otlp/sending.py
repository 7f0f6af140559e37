"""Forwarded OTLP requests: counts their records, cuts them in two, reads the answer.

    payload --Export--> pieces, records, cut      answer --rejected()--> how many, and why

A request is cut only if a server refuses it completely, or if it is too long for the server.
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
        signal: the request's signal.
        payload: a valid protobuf `Export…ServiceRequest`.
    """

    def __init__(self, signal: Signal, payload: bytes) -> None:
        self.signal = signal
        self._payload = payload

    @property
    def size_bytes(self) -> int:
        """Length of the request in bytes."""
        return len(self._payload)

    @cached_property
    def pieces(self) -> int:
        """Number of pieces."""
        return sum(len(records) for *_, records in scopes(self.signal, self._parsed()))

    def records(self) -> int:
        """Count log records, spans or data points, without the records that report losses."""
        return sum(map(self._count, self._all()))

    def _count(self, record: Any) -> int:
        if self.signal is Signal.METRICS:
            return len(points(record)[1])
        return int(self.signal is not Signal.LOGS or record.event_name != EVENT_TYPE)

    def _all(self) -> Iterator[Any]:
        for *_, records in scopes(self.signal, self._parsed()):
            yield from records

    def body(self, attempt: int) -> bytes:
        """Return the request; it does not contain the number of the attempt."""
        del attempt
        return self._payload

    def cut(self, at: int) -> tuple[Export, Export]:
        """Return the first `at` pieces and the others, each with their resources and scopes."""
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
    """Remove the messages in which a field is empty."""
    for index in reversed(range(len(messages))):
        if not getattr(messages[index], field):
            del messages[index]


def rejected(signal: Signal, body: bytes) -> tuple[int, str]:
    """Read the body of a 200 answer: the number of rejected records, and the server's message.

    Args:
        signal: the request's signal.
        body: protobuf `Export…ServiceResponse`; an unreadable one counts as no rejection.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - with the first request

    try:
        partial: Any = response_class(signal).FromString(body)
    except DecodeError:
        return 0, ""
    partial_success = partial.partial_success
    return max(0, getattr(partial_success, _REJECTED[signal])), quote(partial_success.error_message)
