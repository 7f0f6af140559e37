"""The page: all parts in order, in one file that makes no request.

Its policy forbids every request; the page contains its styles and its script. All content is
readable without the script, which adds the filter, sorting and the choice of light or dark.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.report import (
    advice,
    charts,
    listings,
    money,
    notes,
    pictures,
    scales,
    words,
)
from otlp2parquet_ext.tools.report.answers import ReportAnswer, Strong, answers
from otlp2parquet_ext.tools.report.markup import Html, element, join

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.report.facts import Report

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
SECTIONS = (
    ("summary", "Summary"),
    ("to-do", "What to do"),
    ("charts", "Over time"),
    ("functions", "Functions"),
    ("errors", "Errors"),
    ("requests", "Slowest requests"),
    ("about", "About"),
)


GENERATOR = "otlp2parquet-ext report"
"""Generator in the page's head: `report` replaces only files with it."""


def page(report: Report) -> str:
    """Return the page, a complete document.

    Args:
        report: the facts to show; all its texts may be hostile.
    """
    title = f"Report on {report.only or 'functions'}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=GENERATOR),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", _file("page.css")),
    )
    made = _made(report)
    skip = element("a", "Skip to the report", href="#main", class_="skip")
    main = element("main", *made.values(), id="main", tabindex=-1)
    body = element(
        "body", skip, _header(report, title, made), main, element("script", _file("page.js"))
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


@cache
def _file(name: str) -> Html:
    return Html((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _header(report: Report, title: str, made: dict[str, Html]) -> Html:
    period = (
        f"{scales.moment(report.since_ms)[:-3]} to {scales.moment(report.until_ms)[:-3]} UTC "
        f"({words.span(report.until_ms - report.since_ms)})"
    )
    links = (
        element("li", element("a", name, href=f"#{key}")) for key, name in SECTIONS if key in made
    )
    find = element(
        "label",
        element("span", "Filter"),
        element(
            "input",
            type="search",
            id="filter",
            placeholder="function, message, request",
            autocomplete="off",
            spellcheck="false",
            aria_keyshortcuts="/",
        ),
        element("kbd", "/", aria_hidden="true"),
    )
    tools = element(
        "div",
        find,
        element("button", "Theme: auto", type="button", id="theme"),
        element("p", role="status", id="found"),
        class_="tools",
        hidden=True,
    )
    return element(
        "header",
        element(
            "div",
            element("h1", title),
            element("p", element("code", report.destination), Html("<br>"), period),
            class_="title",
        ),
        tools,
        element("nav", element("ul", *links), aria_label="Sections"),
    )


def _made(report: Report) -> dict[str, Html]:
    """Return the sections of this report, by id, in order."""
    if not report.rows:
        return {
            "summary": _section("summary", "Nothing to report", notes.empty(report)),
            "about": _section("about", "About", notes.about(report)),
        }
    parts: dict[str, Html | None] = {
        "summary": _summary(report),
        "to-do": _to_do(report),
        "charts": _charts(report),
        "functions": listings.functions(report) if report.functions else None,
        "errors": listings.troubles(report) if report.troubles else None,
        "requests": listings.requests(report) if report.slowest else None,
    }
    made = {
        key: _section(key, name, part, _note(key, report))
        for key, name in SECTIONS
        if (part := parts.get(key)) is not None
    }
    return made | {"about": _section("about", "About", notes.about(report))}


def _section(key: str, name: str, part: Html, note: str = "") -> Html:
    title = element("h2", name, id=f"{key}-title")
    said = element("p", note, class_="note") if note else ""
    return element("section", title, said, part, id=key, aria_labelledby=f"{key}-title")


def _note(key: str, report: Report) -> str:
    if key == "errors":
        return notes.ERRORS
    if key == "requests":
        many = len(report.functions) > 1
        return "Open one to see what it logged." + (
            " No function fills the list alone." if many else ""
        )
    return ""


def _summary(report: Report) -> Html:
    said = [_answer(answer) for answer in answers(report)]
    losses = [element("p", sentence, class_="lost") for sentence in advice.lost(report)]
    if not said:
        said = [
            element(
                "p",
                notes.NO_INVOCATIONS.format(rows=words.things(report.rows, "row")),
                class_="none",
            )
        ]
    return join((element("div", *said, class_="answers"), _numbers(report), *losses))


def _answer(answer: ReportAnswer) -> Html:
    parts = (element("strong", p) if isinstance(p, Strong) else p for p in answer.parts)
    return element(
        "article",
        element("h3", answer.question),
        element("p", *parts),
        class_=f"answer {answer.mood}",
    )


def _numbers(report: Report) -> Html:
    t = report.total
    if not t.invocations:
        return join(())
    numbers = (
        ("Invocations", words.count(t.invocations)),
        ("Went wrong", words.percent(t.errors, t.invocations)),
        ("Median duration", words.duration(t.p50)),
        ("p95 duration", words.duration(t.p95)),
        ("Cold starts", words.percent(t.cold, t.invocations)),
        ("Cost", words.usd(money.usd(t, report.architecture))),
    )
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in numbers)
    return element("dl", *pairs, class_="numbers")


def _to_do(report: Report) -> Html | None:
    found = [
        element(
            "li",
            element("span", a.kind, class_="kind"),
            " ",
            element("p", element("strong", a.function), " ", a.text),
            data_find=f"{a.function} {a.kind}".lower(),
        )
        for a in advice.advice(report)
    ]
    return element("ul", *found, class_="advice") if found else None


def _charts(report: Report) -> Html | None:
    if not report.moments:
        return None
    wide = element("div", charts.bars(pictures.over_time(report)), class_="wide")
    return join(
        (
            wide,
            element("div", *(charts.bars(make(report)) for make in pictures.ALL), class_="three"),
        )
    )
