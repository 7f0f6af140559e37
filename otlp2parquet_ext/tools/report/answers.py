"""The answers at the top: which function is slow, why it failed, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.tools.report import money, words

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.report.facts import Function, Report

ENOUGH = 10
"""Fewest invocations for which the 95th percentile differs from the slowest invocation."""
MESSAGE = 140


class Strong(str):
    """Emphasised text."""

    __slots__ = ()


class ReportAnswer(NamedTuple):
    """A question and the sentences that answer it; `mood` is good, bad or plain."""

    question: str
    parts: tuple[str, ...]
    mood: str

    @property
    def text(self) -> str:
        """The sentences without emphasis."""
        return "".join(self.parts)


def answers(report: Report) -> tuple[ReportAnswer, ...]:
    """Answer the three questions; no answers without invocations."""
    if not report.total.invocations:
        return ()
    return (_slow(report), _failing(report), _cost(report))


def slowest(report: Report) -> Function | None:
    """Return the function with the longest 95th percentile, of those with enough invocations."""
    timed = [f for f in report.functions if f.p95 is not None]
    enough = [f for f in timed if f.invocations >= ENOUGH]
    return max(enough or timed, key=lambda f: f.p95 or 0, default=None)


def _slow(report: Report) -> ReportAnswer:
    question, function = "Which function is slow?", slowest(report)
    if function is None:
        return ReportAnswer(question, ("No report tells a duration.",), "plain")
    lead = "Only one function ran, " if len(report.functions) == 1 else "Slowest is "
    parts = [
        lead,
        Strong(function.name),
        f": half of its {words.things(function.invocations, 'invocation')} take more than ",
        f"{words.duration(function.p50)}, one in twenty more than ",
        Strong(words.duration(function.p95)),
        f". The longest took {words.duration(function.longest)}.",
    ]
    if function.cold:
        parts.append(
            f" {words.things(function.cold, 'cold start')} "
            f"({words.percent(function.cold, function.invocations)}) "
            f"{'took' if function.cold == 1 else 'typically took'} "
            f"{words.duration(function.init_p50)} on top."
        )
    return ReportAnswer(question, tuple(parts), "plain")


def _failing(report: Report) -> ReportAnswer:
    total, question = report.total, "Why did it fail?"
    if not total.errors and not report.troubles:
        return ReportAnswer(
            question, (Strong("Nothing failed"), ", and no error was logged."), "good"
        )
    parts: list[str] = [
        Strong(f"{words.count(total.errors)} of {words.count(total.invocations)}"),
        f" invocations ({words.percent(total.errors, total.invocations)}) went wrong: ",
        f"{words.count(total.failed)} failed",
        _timeouts(total),
        f", {words.count(total.logged)} logged an error and ended well.",
    ]
    if report.troubles:
        top = report.troubles[0]
        parts += [
            " Most often, ",
            words.things(top.times, "time"),
            " in ",
            Strong(top.whose),
            f": “{words.cut(top.message, MESSAGE)}”",
        ]
    return ReportAnswer(question, tuple(parts), "bad")


def _timeouts(total: Function) -> str:
    if not total.timeouts:
        return ""
    if total.timeouts == total.failed:
        return " (all at the timeout)" if total.failed > 1 else " (at the timeout)"
    return f" ({words.things(total.timeouts, 'timeout')} among them)"


def _cost(report: Report) -> ReportAnswer:
    total, architecture = report.total, report.architecture
    cost = money.usd(total, architecture)
    parts = [
        Strong(words.usd(cost)),
        f" for {words.things(total.invocations, 'invocation')} and {words.gb_s(total.gb_s)} GB-s.",
    ]
    if len(report.functions) > 1 and cost:
        top = max(report.functions, key=lambda f: money.usd(f, architecture))
        share = words.percent(money.usd(top, architecture), cost)
        parts += [" Dearest is ", Strong(top.name), f" with {share} of it."]
    month = money.month_usd(report)
    if month is not None:
        parts.append(f" At this rate a month is {words.usd(month)}.")
    return ReportAnswer("What does it cost?", tuple(parts), "plain")
