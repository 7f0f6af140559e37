"""How much work one request may be: its CPU time is bounded, as its memory is.

    each piece --count_values()--> parsed --count_shared()--> mapped later, within some seconds

Two things cost far more than their bytes: values of a byte or two, and a long resource, scope or
metric, which is compared and hashed again for each record that shares it. A request beyond a bound
is refused before it is acknowledged, so the exporter learns of it and counts what it drops.
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
"""Longest request whose values are not counted: it is too short to have too many."""

MOST_SHARED_BYTES = 1_073_741_824
"""Most bytes of resources, scopes and metrics, each counted once for every record in it. A thousand
times as many take a minute and a half; an SDK's batch has 1 or 2 MB of them."""

GROUP_BYTES = 32_768
"""What a resource, a scope or a metric counts beside its own bytes, even with one record."""


class Budget:
    """What is left for the pieces of one request.

    Args:
        size_bytes: length of the request, uncompressed.
        bounded: False for what was accepted before.
    """

    def __init__(self, size_bytes: int, *, bounded: bool = True) -> None:
        self._counts_values = bounded and size_bytes > FREE_BYTES
        self._bounded = bounded
        self._values = self._shared_bytes = 0

    def count_values(self, descriptor: Any, body: bytes, *, json: bool) -> None:
        """Count the values of a piece before it is parsed.

        Args:
            descriptor: of the message that the piece is.
            body: the piece; one that cannot be read has no values, for the parser refuses it.
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
        """Count what records of a parsed piece share.

        Raises:
            TooLargeError: the request has more than `MOST_SHARED_BYTES` of it.
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
    """Yield of each scope, or each metric, the bytes that its records share, and their number."""
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
