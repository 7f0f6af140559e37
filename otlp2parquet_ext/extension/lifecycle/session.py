"""The session: the current invocation, and whether telemetry has reported its end.

    invoked()  heard()  --> done(), report_pending, typical_gap_ms

An invocation has two ends. It is *done* with its `platform.runtimeDone`: its log lines have
arrived. It is *reported* with its `platform.report`, which often comes only with the next INVOKE or
after SHUTDOWN.

Any process that knows the receiver's path can send ends with any request ids. Only the ends of the
current invocation count, and no number of other ids removes them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otlp2parquet_ext.records.telemetry.values import Invoke

REMEMBERED_IDS = 64
GAPS = 5


class Session:
    """The facts about this process's invocations on which decisions depend.

    Args:
        subscribed_to_platform: platform events are subscribed to; without them no delivery reports
            an end.

    Attributes:
        current: the latest INVOKE, None before the first.
        platform_events_arrive: False after a wait for an invocation's end timed out, until
            telemetry reports an end again. Emulators accept a subscription and deliver nothing.
    """

    def __init__(self, *, subscribed_to_platform: bool = True) -> None:
        self.current: Invoke | None = None
        self.platform_events_arrive = subscribed_to_platform
        self._subscribed_to_platform = subscribed_to_platform
        self._is_done = self._is_reported = False
        # Ends of invocations other than the current one: an INVOKE may arrive after its own end.
        self._done: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._reported: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._gaps_ms: deque[int] = deque(maxlen=GAPS)

    def invoked(self, invoke: Invoke) -> None:
        """Note that an invocation began."""
        if self.current is not None:
            self._gaps_ms.append((invoke.received_us - self.current.received_us) // 1_000)
        self.current = invoke
        self._is_done = invoke.request_id in self._done
        self._is_reported = invoke.request_id in self._reported

    def observe(self, done: Iterable[str], reported: Iterable[str]) -> None:
        """Note the request ids whose `runtimeDone` or `report` a delivery carried."""
        current = self.current.request_id if self.current else ""
        for request_id in done:
            self.platform_events_arrive = True
            if request_id == current:
                self._is_done = True
            else:
                self._done.append(request_id)
        for request_id in reported:
            if request_id == current:
                self._is_reported = True
            else:
                self._reported.append(request_id)

    def missed(self) -> None:
        """Note that the end of an invocation did not arrive in time."""
        self.platform_events_arrive = False

    def done(self, request_id: str) -> bool:
        """Tell whether all log lines of the invocation have been delivered."""
        if self.current is not None and request_id == self.current.request_id:
            return self._is_done or self._is_reported
        return request_id in self._done or request_id in self._reported

    @property
    def report_pending(self) -> bool:
        """True while the current invocation's `platform.report` is still to come."""
        return self._subscribed_to_platform and self.current is not None and not self._is_reported

    @property
    def typical_gap_ms(self) -> int | None:
        """Median time from one INVOKE to the next; None before there were two."""
        if not self._gaps_ms:
            return None
        return sorted(self._gaps_ms)[len(self._gaps_ms) // 2]
