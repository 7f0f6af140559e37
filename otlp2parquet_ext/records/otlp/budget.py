"""Limits on the work of one request, which bound its CPU time and its memory.

    each piece --count_values()--> parsed --count_shared()--> mapped later, within some seconds

Two things take far more CPU than their bytes suggest: values of a byte or two, and a long resource,
scope or metric, which is compared and hashed for each record that shares it. A request beyond a
limit is refused before it is acknowledged, so the exporter gets the error and counts the dropped
records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.records.otlp.messages import Signal, points, scopes
from otlp2parquet_ext.records.otlp.refusals import TooLargeError
from otlp2parquet_ext.records.otlp.weight import values_in, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_VALUES = 750_000
"""Most values of one request that is longer than `FREE_BYTES`; each takes up to 3 µs."""

FREE_BYTES = 1_048_576
"""Longest request whose values are not counted, because it is too short to have too many."""

MOST_SHARED_BYTES = 1_073_741_824
"""Most bytes of resources, scopes and metrics, each counted once for every record in it. A thousand
times this limit takes a minute and a half; an SDK's batch has 1 or 2 MB."""

GROUP_BYTES = 32_768
"""Bytes that each resource, scope or metric counts in addition to its own."""


class Budget:
    """The remaining limits for the pieces of one request.

    Args:
        size_bytes: length of the request, uncompressed.
        bounded: False for a request that was accepted before.
    """

    def __init__(self, size_bytes: int, *, bounded: bool = True) -> None:
        self._counts_values = bounded and size_bytes > FREE_BYTES
        self._bounded = bounded
        self._values = self._shared_bytes = 0

    def count_values(self, descriptor: Any, body: bytes, *, json: bool) -> None:
        """Count the values of a piece before it is parsed.

        Args:
            descriptor: descriptor of the piece's message.
            body: the piece; an unreadable one counts no values, because the parser refuses it.
            json: OTLP/JSON, else protobuf.

        Raises:
            TooLargeError: the request has more than `MOST_VALUES`.
        """
        if not self._counts_values:
            return
        left = MOST_VALUES - self._values
        if json:
            self._values += values_in(body, left)
        else:
            self._values += values_of(memoryview(body), descriptor, left)
        if self._values > MOST_VALUES:
            raise TooLargeError(
                f"the request has more than {MOST_VALUES} values: send fewer at once"
            )

    def count_shared(self, signal: Signal, request: Any) -> None:
        """Count the bytes that records of a parsed piece share.

        Raises:
            TooLargeError: the request has more than `MOST_SHARED_BYTES`.
        """
        if not self._bounded:
            return
        for size_bytes, records in _shared(signal, request):
            self._shared_bytes += GROUP_BYTES + size_bytes * records
            if self._shared_bytes > MOST_SHARED_BYTES:
                problem = (
                    f"its resources, scopes and metrics have more than {MOST_SHARED_BYTES} bytes, "
                    "counted for each record in them: send fewer records at once"
                )
                raise TooLargeError(problem)


def _shared(signal: Signal, request: Any) -> Iterator[tuple[int, int]]:
    """Yield, for each scope or metric, the bytes that its records share, and their number."""
    measured: Any = None
    resource_bytes = 0
    for _, resource, scope, records in scopes(signal, request):
        if resource is not measured:
            measured, resource_bytes = resource, resource.resource.ByteSize()
        around_bytes = resource_bytes + scope.scope.ByteSize()
        if signal is not Signal.METRICS:
            yield around_bytes, len(records)
            continue
        for metric in records:
            own_bytes = len(metric.name) + len(metric.description) + len(metric.unit)
            yield around_bytes + own_bytes, len(points(metric)[1])
