"""The open activities: initialisations, invocations and restores that have not ended yet.

    facts --absorb(known, …)--> ActivityChange: news, ended activities, next OpenActivities
          --close_all(known, …)--> ActivityChange: all end, because the environment ends

Start, runtimeDone and report come in any order, in different batches, twice, or never.
`OpenActivities` is an immutable value: absorbing a batch twice gives the same result, and a batch
that was not stored has no effect. It is bounded:

    CAPACITY    most open activities; beyond it the oldest ends
    BEHIND most activities that begin while one stays open (they run one at a time, except on
                Managed Instances)
    REMEMBERED  most ended activities that are kept, so that a repeated event begins none again
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from otlp2parquet_ext.records.mapping.facts import Fact, FactKind, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPACITY = 1_000
BEHIND = 100
REMEMBERED = 1_000


class Activity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The known facts about one initialisation, invocation or restore.

    Attributes:
        kind: the kind of activity.
        key: the key of its facts.
        number: number of activities that began before it.
        start, done, report: its events; None if not received.
        closed_us: Unix microseconds of the SHUTDOWN that closed it; 0 otherwise.
        closed_by: that SHUTDOWN's reason, in lower case.
    """

    kind: FactKind
    key: str
    number: int
    start: Fact | None = None
    done: Fact | None = None
    report: Fact | None = None
    closed_us: int = 0
    closed_by: str = ""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its known facts, in causal order."""
        return tuple(f for f in (self.start, self.done, self.report) if f is not None)

    @property
    def failure(self) -> str:
        """`error.type` if it failed, else ""."""
        failed = [fact for fact in (self.report, self.done) if fact is not None and fact.failed]
        if failed:
            types = [fact.error_type for fact in failed if fact.error_type]
            return types[0] if types else failed[0].status
        return "" if self.done or self.report else _CLOSED_BY.get(self.closed_by, "")


class Past(msgspec.Struct, frozen=True):
    """An ended activity: the time of its last event, and whether that was its report."""

    last_us: int
    reported: bool


class OpenActivities(msgspec.Struct, frozen=True):
    """The state between batches; immutable.

    Attributes:
        open: activities that lack an event, by key, the oldest first.
        past: the latest ended activities, by key, the oldest first.
        begun: number of activities so far.
    """

    open: dict[str, Activity] = {}
    past: dict[str, Past] = {}
    begun: int = 0


class News(NamedTuple):
    """A new fact, and the activity as known before it."""

    fact: Fact
    before: Activity


class ActivityChange(NamedTuple):
    """The result of a batch.

    Attributes:
        known: the open activities after it.
        news: new facts in order of time.
        ended: activities that are complete, or whose missing events are not expected any more.
    """

    known: OpenActivities
    news: list[News]
    ended: list[Activity]


# The failure of an invocation that only a SHUTDOWN ended, by the SHUTDOWN's reason. `releasefail`
# is the spelling of AWS's emulator.
_CLOSED_BY = {"timeout": "timeout", "failure": "failure", "releasefail": "failure"}
_SLOTS = ("start", "done", "report")


def absorb(known: OpenActivities, facts: Iterable[Fact], *, managed: bool) -> ActivityChange:
    """Add the facts of a batch to the open activities.

    Args:
        known: the open activities after the previous batch.
        facts: facts in any order.
        managed: a Managed Instance, where invocations run concurrently and have no runtimeDone.

    Source: AWS Lambda developer guide, "Telemetry API Event schema reference";
    docs/signals.md, "Spans".
    """
    ledger = _Ledger(known)
    for fact in sorted(facts, key=attrgetter("time_us", "step")):
        ledger.add(fact, managed=managed)
    ledger.end_what_lags(managed=managed)
    return ledger.change()


def close_all(known: OpenActivities, reason: str, now_us: int) -> ActivityChange:
    """End all open activities, because the environment ends.

    Args:
        known: the open activities after the last batch.
        reason: reason of the SHUTDOWN, in lower case.
        now_us: Unix microseconds of the SHUTDOWN.
    """
    ledger = _Ledger(known)
    for activity in known.open.values():
        ledger.end(replace(activity, closed_us=now_us, closed_by=reason))
    return ledger.change()


class _Ledger:
    """Builds the next `OpenActivities`."""

    def __init__(self, known: OpenActivities) -> None:
        self.open = dict(known.open)
        self._past = dict(known.past)
        self._begun = known.begun
        self._news: list[News] = []
        self._ended: list[Activity] = []

    def add(self, fact: Fact, *, managed: bool) -> None:
        """Add one fact; a known one has no effect."""
        activity = self.open.get(fact.key)
        if activity is not None and _begins_again(activity, fact):
            self.end(activity)
            activity = None
        if activity is None:
            past = self._past.get(fact.key)
            if past is not None and not _is_another(past, fact):
                return
            activity = Activity(fact.kind, fact.key, self._begun)
            self._begun += 1
        slot = _SLOTS[fact.step]
        if getattr(activity, slot) is not None:
            return
        self._news.append(News(fact, activity))
        activity = replace(activity, **{slot: fact})
        self.open[fact.key] = activity
        if _is_complete(activity, managed=managed):
            self.end(activity)

    def end(self, activity: Activity) -> None:
        """End an activity, although it may lack events."""
        del self.open[activity.key]
        self._past.pop(activity.key, None)  # added again below, as the latest
        last_us = max(fact.time_us for fact in activity.facts)
        self._past[activity.key] = Past(last_us, activity.report is not None)
        self._ended.append(activity)

    def end_what_lags(self, *, managed: bool) -> None:
        """End activities open while `BEHIND` others began, and the oldest beyond `CAPACITY`."""
        behind = self._begun if managed else BEHIND
        for activity in list(self.open.values()):
            if self._begun - activity.number <= behind and len(self.open) <= CAPACITY:
                break
            self.end(activity)

    def change(self) -> ActivityChange:
        """Return the result."""
        while len(self._past) > REMEMBERED:
            del self._past[next(iter(self._past))]
        return ActivityChange(
            OpenActivities(self.open, self._past, self._begun), self._news, self._ended
        )


def _begins_again(activity: Activity, fact: Fact) -> bool:
    """Tell whether a start begins a new activity under the same key: AWS retries events."""
    return fact.step is Step.START and any(f.time_us < fact.time_us for f in activity.facts)


def _is_another(past: Past, fact: Fact) -> bool:
    """Tell whether a fact belongs to a new activity, not to the ended one under its key."""
    return fact.time_us > past.last_us and (fact.step is Step.START or past.reported)


def _is_complete(activity: Activity, *, managed: bool) -> bool:
    needs_done = not (managed and activity.kind is FactKind.INVOKE)
    has_done = activity.done is not None or not needs_done
    return activity.start is not None and has_done and activity.report is not None
