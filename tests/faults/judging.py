"""The figures of a cell, and the promises that they break."""

from __future__ import annotations

import signal
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faults.accounting import Books
    from faults.runner import Result, Sample
    from faults.scenario import Cell
    from otlp2parquet_ext.tools.local import Outcome

MIB = 1 << 20
ADDED_MS = 2.0
"""Most ms that an outage may add to the median invocation."""

PEAK_MB = 128
"""Most MB that the extension may have resident, with pages of its libraries (some 41 MB in a
checkout, whose libraries are larger than the layer's): all that the smallest function has."""

GROWTH_MB, GROWTH_DESCRIPTORS = 8, 4
"""How much more the last fifth of a long run may use than the second."""


@dataclass(frozen=True)
class Times:
    """How long invocations waited for the extension, in milliseconds: the first, the others."""

    first: float
    p50: float
    most: float


@dataclass(frozen=True)
class Figures:
    """One row of the report; None is what the cell does not show.

    Attributes:
        times: in the trouble where there is one, else of all invocations.
        healthy: of the same invocations without the trouble.
        held: invocations in the trouble that took longer than the slowest of those.
        peak_mb: the most an extension had resident.
        exits, failed: exit codes of extensions; invocations without success.
        isolation: how the processes were held.
        growth_mb, growth_descriptors: from the second fifth of a long run to the last.
        broken: the promises that were broken, in words.
    """

    times: Times
    healthy: Times | None
    held: int | None
    peak_mb: float
    exits: str
    failed: int
    isolation: str
    growth_mb: float | None
    growth_descriptors: int | None
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of the report: all that stays of a cell."""

    cell: Cell
    books: Books
    figures: Figures
    seconds: float


def judged(result: Result) -> Row:
    """Return the figures of a cell without its logs, which may have a gigabyte."""
    return Row(result.cell, result.books, figures(result), result.seconds)


def figures(result: Result) -> Figures:
    """Work out the figures of a cell."""
    outcome = result.outcome
    growth = _growth(result.samples) if result.cell.scenario.promise.flat else None
    healthy = _times(result.healthy, *_troubled(result)) if result.healthy else None
    return Figures(
        times=_times(outcome, *_troubled(result)),
        healthy=healthy,
        held=_held(outcome, healthy.most, *_troubled(result)) if healthy else None,
        peak_mb=max((run.peak_rss_bytes or 0) / MIB for run in outcome.extensions),
        exits=_exits(outcome),
        failed=sum(it.status != "success" for it in outcome.invocations),
        isolation=", ".join(
            f"{name} {value}"
            for name, value in (
                ("freezer", outcome.isolation.freezer),
                ("CPU", outcome.isolation.cpu),
                ("memory", outcome.isolation.memory),
            )
        ),
        growth_mb=growth[0] if growth else None,
        growth_descriptors=growth[1] if growth else None,
        broken=tuple(_broken(result, growth)),
    )


def _broken(result: Result, growth: tuple[float, int] | None) -> Iterator[str]:
    promise, outcome = result.cell.scenario.promise, result.outcome
    yield from broken_books(result.books, may_drop=promise.may_drop, durable=promise.durable)
    failed = sum(it.status != "success" for it in outcome.invocations)
    if promise.failed not in (None, failed):
        yield f"{failed} invocations failed, not {promise.failed}"
    exits = {run.exit_code for run in outcome.extensions if not run.killed}
    if wrong := exits - promise.exits:
        yield f"exit codes {sorted(map(str, wrong))}"
    peak_bytes = max(run.peak_rss_bytes or 0 for run in outcome.extensions)
    if peak_bytes > PEAK_MB * MIB:
        yield f"{peak_bytes / MIB:.0f} MB were resident, more than {PEAK_MB}"
    yield from result.problems
    deaths = sum(run.exit_code == -signal.SIGKILL and not run.killed for run in result.runs)
    if promise.deaths not in (None, deaths):
        yield f"{deaths} extensions died of a batch, not {promise.deaths}"
    yield from _broken_by_times(result)
    if growth and (growth[0] > GROWTH_MB or growth[1] > GROWTH_DESCRIPTORS):
        yield f"it grew by {growth[0]:.1f} MB and {growth[1]} descriptors"
    yield from _not_done(result)


def broken_books(counted: Books, *, may_drop: bool, durable: bool) -> Iterator[str]:
    """Yield the promises that the counts show as broken.

    Args:
        counted: the counts.
        may_drop, durable: see `Promise`.
    """
    if counted.lost:
        yield f"{counted.lost} of {counted.sent} events are lost without a row"
    if counted.twice:
        yield f"{counted.twice} rows are there twice"
    if counted.overcounted:
        yield f"rows say of {counted.overcounted} events that they are lost, and they are not"
    if counted.unreadable:
        yield f"the table cannot be read: {counted.unreadable}"
    if counted.claimed:
        yield f"the rows the table speaks of are {counted.claimed:+} against those it has"
    if counted.dropped and not may_drop:
        yield f"{counted.dropped} events were dropped"
    if counted.spool and durable:
        yield f"{counted.spool} events were still in the spool after SHUTDOWN"


def _broken_by_times(result: Result) -> Iterator[str]:
    if result.healthy is None:
        return
    added = _times(result.outcome, *_troubled(result)).p50
    added -= _times(result.healthy, *_troubled(result)).p50
    if added > ADDED_MS:
        yield f"the median invocation took {added:.1f} ms more than beside a healthy destination"


def _not_done(result: Result) -> Iterator[str]:
    """Tell of faults that did not come about: such a cell proves nothing."""
    promise, outcome = result.cell.scenario.promise, result.outcome
    kills = sum(run.killed for run in outcome.extensions)
    if kills < promise.kills:
        yield f"only {kills} extensions were killed, not {promise.kills}"
    redelivered = sum(it.redelivery for it in outcome.deliveries)
    if redelivered < promise.redelivered:
        yield f"only {redelivered} deliveries were sent again, not {promise.redelivered}"
    if result.struck < promise.struck:
        yield f"the adversary struck only {result.struck} times, not {promise.struck}"
    if not result.books.sent:
        yield "nothing was sent"


def _troubled(result: Result) -> tuple[int, int | None]:
    """Return the invocations during the trouble; without a trouble all but the first."""
    trouble = result.cell.scenario.trouble
    return (max(1, trouble.after), trouble.until) if trouble else (1, None)


def _times(outcome: Outcome, after: int, until: int | None) -> Times:
    waits = [it.post_runtime_extension_ms for it in outcome.invocations]
    later = waits[after:until] or [0.0]
    return Times(waits[0] if waits else 0.0, statistics.median(later), max(later))


def _held(outcome: Outcome, most_ms: float, after: int, until: int | None) -> int:
    waits = [it.post_runtime_extension_ms for it in outcome.invocations[after:until]]
    return sum(wait > most_ms + ADDED_MS for wait in waits)


def _exits(outcome: Outcome) -> str:
    """Return for example `0` or `-9 x20, 0`."""
    codes = Counter(run.exit_code for run in outcome.extensions)
    texts = [f"{code} x{n}" if n > 1 else str(code) for code, n in codes.items()]
    return ", ".join(texts)


def _growth(samples: Sequence[Sample]) -> tuple[float, int]:
    """Return MB and descriptors that the last fifth of a run has more than its second."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    memory = statistics.median(it.rss_bytes for it in late)
    memory -= statistics.median(it.rss_bytes for it in early)
    descriptors = max(it.descriptors for it in late) - max(it.descriptors for it in early)
    return memory / MIB, descriptors
