"""What a report is about, as plain values: made by `questions`, shown by `page`.

Times are Unix milliseconds, durations milliseconds, memory megabytes as Lambda counts them.
An invocation is one `platform.report`; how it ended is one of `OUTCOMES`.
"""

from __future__ import annotations

from typing import NamedTuple

OK, LOGGED, FAILED = "ok", "logged", "failed"
OUTCOMES = (OK, LOGGED, FAILED)
"""Ended well; ended well, but logged an error; ended with a status other than `success`."""


class Function(NamedTuple):
    """One function's invocations, or all of them together.

    Attributes:
        name: `ServiceName`.
        invocations: how many reports; `failed`, `timeouts` and `cold` are among them, `timeouts`
            among `failed`; `logged` are those that did not fail but logged an error.
        p50, p95, p99, longest: of the duration; None when no report tells one.
        init_p50: of initialisations (or restores) before an invocation; None without.
        memory_used: most that one invocation used; None when unknown, as is `memory_size`, the
            smallest size it was configured with.
        sizes: how many sizes it was configured with.
        gb_s: what is billed.
        timeout_ms: median duration of those that timed out; None without.
    """

    name: str
    invocations: int
    failed: int
    timeouts: int
    logged: int
    cold: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None
    init_p50: float | None
    memory_used: float | None
    memory_size: float | None
    sizes: int
    gb_s: float
    timeout_ms: float | None

    @property
    def errors(self) -> int:
        """Invocations that failed or logged an error."""
        return self.failed + self.logged


class Moment(NamedTuple):
    """What happened in one step of the time axis, from `start_ms` on."""

    start_ms: int
    ok: int
    logged: int
    failed: int


class Bin(NamedTuple):
    """`number` values lie above `low` (0: and at it) and not above `high`."""

    low: float
    high: float
    number: int


class LogLine(NamedTuple):
    """One log line of a request; `more` characters of its text are left out."""

    at_ms: int
    severity: int
    level: str
    event: str
    text: str
    more: int


class RequestSummary(NamedTuple):
    """One invocation, and what it logged.

    Attributes:
        request: its id.
        outcome: one of `OUTCOMES`.
        status: as Lambda says; `error` is the type of what went wrong, both may be empty.
        lines: the first of them; `more` are left out.
    """

    request: str
    function: str
    ended_ms: int
    ms: float
    init_ms: float | None
    memory_used: float | None
    memory_size: float | None
    outcome: str
    status: str
    error: str
    lines: tuple[LogLine, ...] = ()
    more: int = 0


class Trouble(NamedTuple):
    """Errors that read alike once their numbers and ids are folded.

    Attributes:
        function: whose, in most cases; `functions` is how many have it.
        message: what they say, folded.
        kind: `line` of a log, end of an `invocation`, or `initialisation`.
        times: how many; `requests` are the different requests among them.
        sample: the newest of them in full; `more` characters of it are left out.
        request: the newest one's; "" when none is known. `lines`, `more_lines`: what it logged.
    """

    function: str
    functions: int
    message: str
    kind: str
    times: int
    requests: int
    first_ms: int
    last_ms: int
    sample: str
    more: int
    request: str
    lines: tuple[LogLine, ...] = ()
    more_lines: int = 0

    @property
    def whose(self) -> str:
        """The function, and how many others."""
        others = self.functions - 1
        more = f" and {others:,} other function{'s' if others > 1 else ''}" if others else ""
        return self.function + more


class LossRow(NamedTuple):
    """Records that are not in the table, as rows of it tell."""

    reason: str
    records: int


class Report(NamedTuple):
    """All of it.

    Attributes:
        destination: as people name it, without secrets.
        only: the one function that was asked for; "" for all.
        since_ms, until_ms: what was asked for; `step_ms` is that of `moments`.
        rows: how many rows of logs there are in that time.
        newest_ms: the newest row's time of any; None when the table has no row.
        total: all functions together.
        functions: each, the most expensive first.
    """

    destination: str
    only: str
    since_ms: int
    until_ms: int
    architecture: str
    rows: int
    newest_ms: int | None
    total: Function
    functions: tuple[Function, ...]
    step_ms: int
    moments: tuple[Moment, ...]
    durations: tuple[Bin, ...]
    memory: tuple[Bin, ...]
    inits: tuple[Bin, ...]
    slowest: tuple[RequestSummary, ...]
    troubles: tuple[Trouble, ...]
    losses: tuple[LossRow, ...]
