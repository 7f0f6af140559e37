"""The facts of a report as plain values: `questions` makes them, `page` shows them.

Times are Unix milliseconds, durations milliseconds, memory megabytes as Lambda counts them.
An invocation is one `platform.report`; how it ended is one of `OUTCOMES`.
"""

from __future__ import annotations

from typing import NamedTuple

OK, LOGGED, FAILED = "ok", "logged", "failed"
OUTCOMES = (OK, LOGGED, FAILED)
"""Outcomes: success; success with a logged error; a status other than `success`."""


class Function(NamedTuple):
    """One function's invocations, or all of them together.

    Attributes:
        name: `ServiceName`.
        invocations: number of reports, including `failed`, `timeouts` and `cold`. `failed` includes
            `timeouts`; `logged` counts those that did not fail but logged an error.
        p50, p95, p99, longest: percentiles of the duration; None if no report has one.
        init_p50: median of initialisations (or restores) before an invocation; None without any.
        memory_used: highest memory use of one invocation; `memory_size`: smallest configured size.
            Both are None if unknown.
        sizes: number of different configured sizes.
        gb_s: billed GB-seconds.
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
    """The invocations in one step of the time axis, from `start_ms` on."""

    start_ms: int
    ok: int
    logged: int
    failed: int


class Bin(NamedTuple):
    """`number` values are above `low` (if `low` is 0, also equal) and at most `high`."""

    low: float
    high: float
    number: int


class LogLine(NamedTuple):
    """One log line of a request; the last `more` characters of its text are omitted."""

    at_ms: int
    severity: int
    level: str
    event: str
    text: str
    more: int


class RequestSummary(NamedTuple):
    """One invocation, and its log lines.

    Attributes:
        request: its request id.
        outcome: one of `OUTCOMES`.
        status: Lambda's status; `error` is the error type. Both may be empty.
        lines: its first lines; `more` others are omitted.
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
    """Errors with the same text once numbers and ids are replaced.

    Attributes:
        function: the function with most of them; `functions` is the number of functions.
        message: their text, with numbers and ids replaced.
        kind: `line` for a log line, `invocation` for a failed one, or `initialisation`.
        times: number of errors; `requests` is the number of different requests.
        sample: the newest error, complete; its last `more` characters are omitted.
        request: request id of the newest; "" if unknown. `lines`, `more_lines`: its log lines.
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
        """The function, and the number of others."""
        others = self.functions - 1
        more = f" and {others:,} other function{'s' if others > 1 else ''}" if others else ""
        return self.function + more


class LossRow(NamedTuple):
    """Missing records, as rows of the table report them."""

    reason: str
    records: int


class Report(NamedTuple):
    """All facts of a report.

    Attributes:
        destination: the destination without secrets.
        only: the one requested function; "" for all.
        since_ms, until_ms: the requested time; `step_ms` is the step of `moments`.
        rows: number of rows of logs in that time.
        newest_ms: time of the newest row at any time; None if the table has no row.
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
