"""Finds the invocation of an OTLP record.

    id in the record > id in its resource > its trace > the window of its time

`aws.request_id` is ignored, because it names requests to other AWS services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.records.mapping.invocations import REQUEST_ID_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.records.mapping.invocations import Invocations, InvocationWindow

# The attribute's name in the current semantic conventions, and its earlier name.
_KEYS = ("faas.invocation_id", "faas.execution")


def named_request(values: Mapping[str, object]) -> str | None:
    """Return the request id that attributes name; None if there is none."""
    for key in _KEYS:
        request_id = values.get(key)
        if request_id and isinstance(request_id, str) and len(request_id) <= REQUEST_ID_LENGTH:
            return request_id
    return None


class Belonging:
    """Finds the request id of records; for one batch.

    Args:
        invocations: known invocations of the environment.
    """

    def __init__(self, invocations: Invocations) -> None:
        self._invocations = invocations
        self._of_traces: dict[str, list[InvocationWindow]] | None = None

    def find(
        self,
        values: Mapping[str, object],
        of_resource: str | None,
        trace_id: str | None,
        begin_us: int,
        end_us: int,
    ) -> str | None:
        """Return a request id, or None.

        Args:
            values: the record's attributes.
            of_resource: the request id that its resource names, or None.
            trace_id: the record's trace id; None if unset.
            begin_us: beginning of the record. It selects among several invocations in one trace,
                and finds the window of a record without other facts.
            end_us: end of the record's interval; an interval longer than an invocation's window
                belongs to no invocation. Pass `begin_us` if only the beginning counts.
        """
        request_id = named_request(values) or of_resource
        if request_id:
            return request_id
        invocation = self._by_trace(trace_id, begin_us) if trace_id else None
        if invocation is None:
            invocation = self._invocations.at(begin_us)
            if end_us != begin_us and self._invocations.at(end_us) != invocation:
                return None
        return invocation.request_id if invocation else None

    def _by_trace(self, trace_id: str, time_us: int) -> InvocationWindow | None:
        if self._of_traces is None:
            self._of_traces = self._invocations.by_trace()
        known = self._of_traces.get(trace_id, [])
        begun = [one for one in known if one.opened_us <= time_us]
        return begun[-1] if begun else next(iter(known), None)
