"""Finds the invocation of a time by windows, not by a "current request" variable.

    INVOKE (Extensions API) --invoked()--> window     authoritative
    platform.start          --started()--> window     only while no INVOKE is known
                                           its opening moved earlier, and its trace

Any process in the sandbox can post a `platform.start`, but only Lambda can send an INVOKE. A window
opens with its invocation and closes when the next one opens. It does not close at
`platform.runtimeDone`, because background work and late lines still belong to it. Times are Unix
microseconds.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from otlp2parquet_ext.records.mapping.trace import NO_TRACE, Trace, parse_header

# msgspec reads the annotations of `InvocationsState` when one is decoded.
from otlp2parquet_ext.records.telemetry.values import Invoke  # noqa: TC001

REQUEST_ID_LENGTH = 256
"""Longest request id that is copied to other records; AWS's have 36 characters. Each record of an
invocation repeats it, so a long one would take memory in proportion to their number."""

_MILLISECOND_US = 1000
_LAMBDA_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_STREAMS = ("platform.restoreStart", "platform.initStart")


class InvocationWindow(msgspec.Struct, frozen=True):
    """The known facts about one invocation.

    Attributes:
        request_id: AWS's request id; a retried event has the same one.
        opened_us: time at which its window opens.
        invoke: the INVOKE event; None if only a `platform.start` reported it.
        started_us: time of its `platform.start`, if one is plausible; else 0.
        trace: its trace context, for records without their own.
    """

    request_id: str
    opened_us: int
    invoke: Invoke | None = None
    trace: Trace = NO_TRACE
    started_us: int = 0


class InvocationsState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of `Invocations`, as a value to store.

    Attributes:
        function_arn, version: as there.
        log_streams: by the type of the event that named it.
        has_invokes: an INVOKE was noted.
        windows: the latest, oldest first.
        unconfirmed: starts still without an INVOKE, by request id.
    """

    function_arn: str = ""
    version: str = ""
    log_streams: dict[str, str] = {}
    has_invokes: bool = False
    windows: tuple[InvocationWindow, ...] = ()
    unconfirmed: dict[str, tuple[int, Trace]] = {}


class Invocations:
    """The invocations of one execution environment, the latest `capacity` of them.

    Its owner is the thread that makes tables. Adding the same fact twice has no effect.

    Attributes:
        function_arn: ARN of the last invocation, with its suffix; "" if not yet known.
        version: the latest function version in an event; "" if none had one.
        log_stream: name of the log stream, if an event had it; else "". The first one counts,
            because the platform sends it before the function's code can send anything.

    Source: AWS Lambda developer guide, "Telemetry API", "Lambda execution environment
    lifecycle" (one invocation at a time); docs/security.md (any process can post to the listener).
    """

    def __init__(self, capacity: int = 1000) -> None:
        """Begin without invocations; `capacity` >= 1."""
        self.function_arn = ""
        self.version = ""
        self._log_streams: dict[str, str] = {}
        self._capacity = capacity
        self._has_invokes = False
        self._windows: list[InvocationWindow] = []  # in the order of their opening
        self._opened: list[int] = []  # opening time of each window, for bisection
        self._by_id: dict[str, list[InvocationWindow]] = {}  # several if an event was retried
        self._unconfirmed: dict[str, tuple[int, Trace]] = {}  # starts still without an INVOKE

    def invoked(self, invoke: Invoke) -> None:
        """Add an INVOKE event; adding it again has no effect."""
        self._has_invokes = True
        self.function_arn = invoke.invoked_function_arn or self.function_arn
        known = self._by_id.get(invoke.request_id, [])
        if any(window.invoke == invoke for window in known):
            return
        trace = parse_header(invoke.trace_header)
        for window in reversed(known):
            if window.invoke is None and window.opened_us <= invoke.received_us:
                better = _better(trace, window.trace)
                self._replace(window, replace(window, invoke=invoke, trace=better))
                return
        self._forget_starts(invoke)
        self._add(InvocationWindow(invoke.request_id, invoke.received_us, invoke, trace))
        if invoke.request_id in self._unconfirmed:
            self.started(invoke.request_id, *self._unconfirmed.pop(invoke.request_id))

    def started(
        self, request_id: str, time_us: int, trace: Trace = NO_TRACE, *, opens_window: bool = True
    ) -> None:
        """Add a `platform.start`.

        Args:
            request_id: a non-empty text.
            time_us: the event's time.
            trace: from its `tracing`.
            opens_window: False if invocations run concurrently (Managed Instances); then only the
                trace is stored.
        """
        if len(request_id) > REQUEST_ID_LENGTH:
            return
        known = self._by_id.get(request_id)
        invoked = [window for window in known if window.invoke is not None] if known else None
        if not opens_window:
            self._by_id[request_id] = [InvocationWindow(request_id, time_us, None, trace)]
            _shorten(self._by_id, self._capacity)
        elif invoked:
            self._confirm(invoked, time_us, trace)
        elif self._has_invokes:
            if time_us > self._unconfirmed.get(request_id, (0, trace))[0]:
                self._unconfirmed[request_id] = (time_us, trace)
            _shorten(self._unconfirmed, self._capacity)
        elif not known or all(window.opened_us != time_us for window in known):
            self._add(InvocationWindow(request_id, time_us, None, trace, time_us))

    def state(self, most: int) -> InvocationsState:
        """Return the state with the latest `most` invocations; `most` > 0."""
        windows = sorted(
            (one for known in self._by_id.values() for one in known), key=attrgetter("opened_us")
        )
        return InvocationsState(
            self.function_arn,
            self.version,
            dict(self._log_streams),
            self._has_invokes,
            tuple(windows[-most:]),
            dict(list(self._unconfirmed.items())[-most:]),
        )

    @classmethod
    def resumed(cls, state: InvocationsState, *, managed: bool) -> Invocations:
        """Return the invocations of a stored state.

        Args:
            state: state after earlier segments of the environment.
            managed: on Managed Instances no invocation opens a window.
        """
        known = cls()
        known.function_arn, known.version = state.function_arn, state.version
        known._log_streams = dict(state.log_streams)
        known._has_invokes = state.has_invokes
        known._unconfirmed = dict(state.unconfirmed)
        for window in state.windows:
            if managed and window.invoke is None:
                known._by_id[window.request_id] = [window]
            else:
                known._add(window)
        return known

    @property
    def log_stream(self) -> str:
        """See the class; a restore replaces the snapshot's log stream."""
        return next((self._log_streams[k] for k in _STREAMS if k in self._log_streams), "")

    def note_stream(self, event_type: str, stream: str) -> None:
        """Store the log stream that a `platform.initStart` or `platform.restoreStart` names."""
        self._log_streams.setdefault(event_type, stream)

    def at(self, time_us: int) -> InvocationWindow | None:
        """Return the invocation whose window contains a time; None before the first."""
        index = bisect_right(self._opened, time_us)
        return self._windows[index - 1] if index else None

    def before(self, invocation: InvocationWindow) -> InvocationWindow | None:
        """Return the previous invocation, whose window this one closed; None for the first."""
        index = self._index(invocation)
        return self._windows[index - 1] if index else None

    def by_id(self, request_id: str) -> InvocationWindow | None:
        """Return the latest invocation with a request id."""
        known = self._by_id.get(request_id)
        return known[-1] if known else None

    def is_invocation(self, request_id: str) -> bool:
        """Tell whether an id in a record is the request id of an invocation.

        It is one if an INVOKE or a `platform.start` reported it. Neither reaches an ingest
        function, or a Managed Instance without platform events. So while no invocation is known,
        each id that looks like Lambda's counts.
        """
        if request_id in self._by_id or request_id in self._unconfirmed:
            return True
        nothing_known = not (self._has_invokes or self._by_id or self._unconfirmed)
        return nothing_known and _LAMBDA_ID.fullmatch(request_id) is not None

    def by_trace(self) -> dict[str, list[InvocationWindow]]:
        """Return the invocations of each known trace, in the order of their opening."""
        found: dict[str, list[InvocationWindow]] = {}
        known = (one for invocations in self._by_id.values() for one in invocations)
        for one in sorted(known, key=attrgetter("opened_us")):
            if one.trace.trace_id is not None:
                found.setdefault(one.trace.trace_id, []).append(one)
        return found

    def _confirm(self, windows: list[InvocationWindow], time_us: int, trace: Trace) -> None:
        # An INVOKE arrives a little after it began, so a start belongs to the first INVOKE received
        # after it. A start with a later time than all of them belongs to the last.
        later = (w for w in windows if w.invoke is not None and w.invoke.received_us >= time_us)
        window = next(later, windows[-1])
        previous = self.before(window)
        # No invocation begins before the previous one, so an earlier time is forged. Event times
        # are cut to the millisecond, ours are not.
        earliest = previous.opened_us // _MILLISECOND_US * _MILLISECOND_US if previous else 0
        assert window.invoke is not None
        # Of several starts, the latest counts. Then a forged one can only have the same effect as
        # no start.
        moves = max(earliest, window.started_us + 1) <= time_us < window.invoke.received_us
        better = replace(
            window,
            opened_us=time_us if moves else window.opened_us,
            started_us=time_us if moves else window.started_us,
            trace=_better(window.trace, trace),
        )
        if better != window:
            self._replace(window, better)

    def _add(self, invocation: InvocationWindow) -> None:
        self._insert(invocation)
        known = self._by_id.setdefault(invocation.request_id, [])
        known.append(invocation)
        if len(known) > 1:
            known.sort(key=attrgetter("opened_us"))
        if len(self._windows) > self._capacity:
            self._remove(self._windows[0])

    def _forget_starts(self, invoke: Invoke) -> None:
        """Remove starts before this INVOKE that no INVOKE confirmed, because they are forged."""
        for window in self._windows[bisect_left(self._opened, invoke.received_us) :]:
            if window.invoke is None:
                self._remove(window)
                if window.request_id == invoke.request_id:
                    self._unconfirmed[window.request_id] = (window.opened_us, window.trace)

    def _remove(self, window: InvocationWindow) -> None:
        index = self._index(window)
        del self._windows[index], self._opened[index]
        siblings = self._by_id[window.request_id]
        siblings.remove(window)
        if not siblings:
            del self._by_id[window.request_id]

    def _insert(self, invocation: InvocationWindow) -> None:
        index = bisect_right(self._opened, invocation.opened_us)
        self._windows.insert(index, invocation)
        self._opened.insert(index, invocation.opened_us)

    def _replace(self, old: InvocationWindow, new: InvocationWindow) -> None:
        index = self._index(old)
        del self._windows[index], self._opened[index]
        self._insert(new)
        siblings = self._by_id[old.request_id]
        siblings[siblings.index(old)] = new

    def _index(self, invocation: InvocationWindow) -> int:
        return self._windows.index(invocation, bisect_left(self._opened, invocation.opened_us))


def _better(authority: Trace, other: Trace) -> Trace:
    """Choose a trace: the other has a span id, but counts only if its trace id is the same."""
    return other if authority.trace_id in {None, other.trace_id} else authority


def _shorten(known: dict[str, Any], capacity: int) -> None:
    if len(known) > capacity:
        del known[next(iter(known))]
