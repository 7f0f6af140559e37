"""The searchable lists: functions, errors, and slowest requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.tools.report import charts, money, scales, words
from otlp2parquet_ext.tools.report.facts import FAILED, LOGGED, OK
from otlp2parquet_ext.tools.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otlp2parquet_ext.tools.report.facts import (
        Function,
        LogLine,
        Report,
        RequestSummary,
        Trouble,
    )

MOST_FUNCTIONS = 100
SHORT_ID = 8
ENDED = {OK: "ok", LOGGED: "logged an error", FAILED: "failed"}
ERROR, WARN = 17, 13


class ListingColumn(NamedTuple):
    """A column of the table of functions: its head, the head's meaning, a value and its text."""

    head: str
    says: str
    value: float | None
    text: str


def functions(report: Report) -> Html:
    """Return the table: a row for each function, the most expensive first."""
    shown = _chosen(report)
    timed = [f for f in shown if f.p50 and f.p99]
    low = min((f.p50 or 1.0 for f in timed), default=1.0)
    high = max((f.p99 or 1.0 for f in timed), default=1.0)
    axis = f"{words.duration(low)} and {words.duration(high)}, logarithmic" if timed else ""
    heads = [
        element("th", column.head, scope="col", class_="n", title=column.says)
        for column in _columns(report.total, report)
    ]
    heads.insert(6, element("th", "Spread", scope="col", title=axis))
    rows = [_function(f, report, low, high) for f in shown]
    first = element("th", "Function", scope="col")
    table = element(
        "table",
        element("caption", _caption(report, len(shown), axis)),
        element("thead", element("tr", first, *heads)),
        element("tbody", *rows),
        class_="functions",
        data_sortable=True,
    )
    return element(
        "div", table, class_="scroll", tabindex=0, role="region", aria_labelledby="functions-title"
    )


def _chosen(report: Report) -> Sequence[Function]:
    """Return the functions to show: the most expensive, most failing, and slowest ones."""
    if len(report.functions) <= MOST_FUNCTIONS:
        return report.functions
    part = MOST_FUNCTIONS // 4
    names = {f.name for f in sorted(report.functions, key=lambda f: -f.errors)[:part]}
    names |= {f.name for f in sorted(report.functions, key=lambda f: -(f.p95 or 0))[:part]}
    dearest = (f.name for f in report.functions if f.name not in names)
    names |= set(itertools.islice(dearest, MOST_FUNCTIONS - len(names)))
    return [f for f in report.functions if f.name in names]


def _caption(report: Report, shown: int, axis: str) -> str:
    hidden = len(report.functions) - shown
    more = f"{words.things(hidden, 'more function')} not shown; --function NAME reports on one. "
    said = f"Spread: p50, p95 and p99 between {axis}. " if axis else ""
    return (more if hidden > 0 else "") + said + "Prices: see the end of the page."


def _columns(f: Function, report: Report) -> list[ListingColumn]:
    cost = money.usd(f, report.architecture)
    used = None if not f.memory_used or not f.memory_size else f.memory_used / f.memory_size
    memory = (
        f"{f.memory_used:,.0f} / {f.memory_size:,.0f} MB"
        if f.memory_used and f.memory_size
        else words.NONE
    )
    share = words.percent(f.cold, f.invocations)
    return [
        ListingColumn("Invocations", "how many", f.invocations, words.count(f.invocations)),
        ListingColumn(
            "Went wrong",
            "failed, or logged an error",
            f.errors,
            f"{words.count(f.errors)} ({words.percent(f.errors, f.invocations)})"
            if f.errors
            else "0",
        ),
        ListingColumn("Timeouts", "among those that failed", f.timeouts, words.count(f.timeouts)),
        ListingColumn("p50", "half of its invocations take longer", f.p50, words.duration(f.p50)),
        ListingColumn("p95", "one in twenty takes longer", f.p95, words.duration(f.p95)),
        ListingColumn("p99", "one in a hundred takes longer", f.p99, words.duration(f.p99)),
        ListingColumn(
            "Cold starts", "share of its invocations", f.cold / max(f.invocations, 1), share
        ),
        ListingColumn("Memory", "most that was used / configured", used, memory),
        ListingColumn("GB-s", "billed", f.gb_s, words.gb_s(f.gb_s)),
        ListingColumn("Cost", "requests and duration", cost, words.usd(cost)),
    ]


def _function(f: Function, report: Report, low: float, high: float) -> Html:
    cells = [
        element(
            "td",
            c.text,
            class_="n bad" if c.head == "Went wrong" and f.errors else "n",
            data_value="" if c.value is None else f"{c.value:.9g}",
        )
        for c in _columns(f, report)
    ]
    cells.insert(6, element("td", charts.spread(f, low, high), data_value=f"{f.p95 or 0:.9g}"))
    name = element("th", f.name, scope="row", data_value=f.name)
    return element("tr", name, *cells, data_find=f.name.lower())


def troubles(report: Report) -> Html:
    """Return the errors as foldable items, the most frequent first."""
    return element("div", *(_trouble(t, report) for t in report.troubles), class_="rows")


def _trouble(t: Trouble, report: Report) -> Html:
    head = element(
        "summary",
        element("span", words.count(t.times), class_="big n"),
        element("span", t.message, class_="message"),
        element("span", t.whose, class_="where"),
    )
    first, last = scales.moment(t.first_ms), scales.moment(t.last_ms)
    facts = [
        words.things(t.times, "time"),
        words.things(t.requests, "request") if t.requests else "",
        f"from {first} to {last} UTC" if first != last else f"at {last} UTC",
        words.percent(t.times, max(t.times, sum(o.times for o in report.troubles)))
        + " of those listed",
    ]
    parts: list[str] = [element("p", " · ".join(fact for fact in facts if fact), class_="facts")]
    if t.sample:
        parts += [element("h3", "The newest, in full"), element("pre", t.sample, _more(t.more))]
    if t.lines:
        parts += [
            element("h3", "Its request ", element("code", t.request)),
            lines(t.lines, t.more_lines),
        ]
    elif t.request:
        parts.append(element("p", "Its request: ", element("code", t.request)))
    find = f"{t.function} {t.message} {t.request}".lower()
    return element("details", head, *parts, class_="row trouble", data_find=find)


def requests(report: Report) -> Html:
    """Return the slowest requests with their lines, the slowest first."""
    longest = max((r.ms for r in report.slowest), default=1.0) or 1.0
    return element("div", *(_request(r, longest) for r in report.slowest), class_="rows")


def _request(r: RequestSummary, longest: float) -> Html:
    width = f"width:{max(1.0, 100 * r.ms / longest):.1f}%"
    head = element(
        "summary",
        element("span", words.duration(r.ms), class_="big n"),
        element(
            "span", element("span", class_="bar", style=width), class_="track", aria_hidden="true"
        ),
        element("span", r.function, class_="where"),
        element("span", *_badges(r), class_="badges"),
        element("span", scales.moment(r.ended_ms), class_="when"),
        element("code", r.request[:SHORT_ID]),
    )
    memory = f"{words.megabytes(r.memory_used)} of {words.megabytes(r.memory_size)}"
    facts = [
        f"initialisation {words.duration(r.init_ms)}" if r.init_ms is not None else "",
        f"memory {memory}" if r.memory_used and r.memory_size else "",
        f"status {r.status}" if r.status else "",
        r.error,
    ]
    facts = [fact for fact in facts if fact]
    told = element(
        "p", "Request ", element("code", r.request), *(f" · {f}" for f in facts), class_="facts"
    )
    find = f"{r.function} {r.request} {ENDED[r.outcome]} {r.error} {r.status}".lower()
    find += " cold start" if r.init_ms is not None else ""
    return element(
        "details", head, told, lines(r.lines, r.more), class_="row request", data_find=find
    )


def _badges(r: RequestSummary) -> Iterator[Html]:
    if r.outcome != OK:
        said = "timeout" if r.status == "timeout" else ENDED[r.outcome]
        yield element("span", said, class_=f"badge {r.outcome}")
    if r.init_ms is not None:
        yield element("span", "cold start", class_="badge")


def lines(found: Sequence[LogLine], more: int) -> Html:
    """Return log lines, each with the time since the first."""
    if not found:
        return element("p", "No lines of it are in the table.", class_="none")
    start = found[0].at_ms
    items = [_line(line, start) for line in found]
    if more:
        items.append(element("li", f"{words.things(more, 'more line')}", class_="none"))
    return element("ol", *items, class_="lines")


def _line(line: LogLine, start: int) -> Html:
    kind = "error" if line.severity >= ERROR else "warn" if line.severity >= WARN else "plain"
    kind += " platform" if line.event.startswith("platform.") else ""
    at = element("span", f"+{words.count(line.at_ms - start)} ms", class_="at n")
    level = element("span", line.level or words.NONE, class_="level")
    said = element("span", line.text or line.event, _more(line.more), class_="said")
    return element("li", at, " ", level, " ", said, class_=kind)


def _more(characters: int) -> Html:
    if not characters:
        return join(())
    return element("span", f" … {words.things(characters, 'more character')}", class_="none")
