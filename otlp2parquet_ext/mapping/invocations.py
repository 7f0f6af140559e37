"""Which invocation a moment belongs to: windows in time, not a "current request" variable.

    INVOKE (Extensions API) --invoked()--> window     authoritative
    platform.start          --started()--> window     only while no INVOKE is known
                                           its opening moved earlier, and its trace

Anything in the sandbox can post a `platform.start`; only Lambda can send an INVOKE. A window
opens with its invocation and closes when the next one opens, never at `platform.runtimeDone`:
background work and late lines still belong to it. Times are Unix microseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.mapping.trace import NO_TRACE, Trace, parse_header

if TYPE_CHECKING:
    from otlp2parquet_ext.telemetry.values import Invoke

_MILLISECOND_US = 1000


class Invocation(msgspec.Struct, frozen=True):
    """One invocation, as far as it is known.

    Attributes:
        request_id: AWS's request id; a retried event comes again under the same one.
        opened_us: when its window opens.
        invoke: the INVOKE event; None when only a `platform.start` told of it.
        trace: its trace context, for records that have none of their own.
    """

    request_id: str
    opened_us: int
    invoke: Invoke | None = None
    trace: Trace = NO_TRACE


class Invocations:
    """The invocations of one execution environment, the latest `capacity` of them.

    One owner: the flush side's thread. Telling it the same fact twice changes nothing.

    Source: reference otlp-mapping.md, sections 10 and 14 (rule 15).
    """

    def __init__(self, capacity: int = 1000) -> None:
        """Begin with no invocation known; `capacity` >= 1."""
        self._capacity = capacity
        self._windows: list[Invocation] = []
        self._opened: list[int] = []  # of each window, for bisection
        self._by_id: dict[str, Invocation] = {}
        self._has_invokes = False
        self.function_arn = ""
        self.version = ""

    def invoked(self, invoke: Invoke) -> None:
        """Note an INVOKE event; hearing of it again is no news."""
        self._has_invokes = True
        self.function_arn = invoke.invoked_function_arn or self.function_arn
        trace = parse_header(invoke.trace_header)
        known = [w for w in self._windows if w.request_id == invoke.request_id]
        if any(window.invoke == invoke for window in known):
            return
        for window in reversed(known):
            if window.invoke is None and window.opened_us <= invoke.received_us:
                self._replace(window, _with_invoke(window, invoke, trace))
                return
        self._open(Invocation(invoke.request_id, invoke.received_us, invoke, trace))

    def started(
        self, request_id: str, time_us: int, trace: Trace = NO_TRACE, *, opens_window: bool = True
    ) -> None:
        """Note a `platform.start`.

        Args:
            request_id: not "".
            time_us: the event's time.
            trace: from its `tracing`.
            opens_window: False where invocations run side by side (Managed Instances): only
                the trace is noted then.
        """
        if not opens_window:
            self._remember(Invocation(request_id, time_us, None, trace))
            return
        known = [w for w in self._windows if w.request_id == request_id]
        if self._has_invokes:
            self._move_earlier([w for w in known if w.invoke is not None], time_us, trace)
        elif all(window.opened_us != time_us for window in known):
            self._open(Invocation(request_id, time_us, None, trace))

    def at(self, time_us: int) -> Invocation | None:
        """Give the invocation whose window contains a moment; None before the first."""
        index = bisect_right(self._opened, time_us)
        return self._windows[index - 1] if index else None

    def before(self, invocation: Invocation) -> Invocation | None:
        """Give the invocation whose window the given one's opening closed."""
        index = self._windows.index(invocation)
        return self._windows[index - 1] if index else None

    def by_id(self, request_id: str) -> Invocation | None:
        """Give the latest invocation with a request id."""
        return self._by_id.get(request_id)

    def _move_earlier(self, windows: list[Invocation], time_us: int, trace: Trace) -> None:
        # We hear of an INVOKE a little after it began, so a start belongs to the first INVOKE
        # heard after it; a start stamped later than all of them, to the last.
        if not windows:
            return
        later = (w for w in windows if w.invoke is not None and w.invoke.received_us >= time_us)
        window = next(later, windows[-1])
        moved = window
        previous = self.before(window)
        # No invocation begins before its predecessor's INVOKE: such a time is made up. Event
        # times are cut to the millisecond, ours are not.
        earliest = previous.opened_us // _MILLISECOND_US * _MILLISECOND_US if previous else 0
        if earliest <= time_us < window.opened_us:
            moved = msgspec.structs.replace(moved, opened_us=time_us)
        if window.trace.trace_id in {None, trace.trace_id} and trace.trace_id is not None:
            moved = msgspec.structs.replace(moved, trace=trace)
        if moved != window:
            self._replace(window, moved)

    def _open(self, invocation: Invocation) -> None:
        index = bisect_right(self._opened, invocation.opened_us)
        self._windows.insert(index, invocation)
        self._opened.insert(index, invocation.opened_us)
        self._remember(invocation)
        if len(self._windows) > self._capacity:
            oldest = self._windows.pop(0)
            del self._opened[0]
            if self._by_id.get(oldest.request_id) is oldest:
                del self._by_id[oldest.request_id]

    def _replace(self, old: Invocation, new: Invocation) -> None:
        index = self._windows.index(old)
        self._windows[index] = new
        self._windows.sort(key=attrgetter("opened_us"))
        self._opened = [window.opened_us for window in self._windows]
        if self._by_id.get(old.request_id) == old:
            self._by_id[old.request_id] = new

    def _remember(self, invocation: Invocation) -> None:
        known = self._by_id.get(invocation.request_id)
        if known is None or known.opened_us <= invocation.opened_us:
            self._by_id[invocation.request_id] = invocation
        if len(self._by_id) > self._capacity:
            del self._by_id[next(iter(self._by_id))]


def _with_invoke(window: Invocation, invoke: Invoke, trace: Trace) -> Invocation:
    same = trace.trace_id in {None, window.trace.trace_id}
    return Invocation(window.request_id, window.opened_us, invoke, window.trace if same else trace)
