"""The page as text: complete without a script, harmless with any log, and of bounded size."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from facts_made import EMPTY, INVOICES, ORDERS, REPORT, TILL, lines, request

from otlp2parquet_ext.tools.cost.prices import LIST_PRICES
from otlp2parquet_ext.tools.report import advice, answers, money, scales, words
from otlp2parquet_ext.tools.report.page import page

if TYPE_CHECKING:
    from otlp2parquet_ext.tools.report.facts import Function, Report

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg/onload=alert(1)>",
    "<!--",
    "]]>&lt;b&gt;&amp;",
    "\x1b[31mred\x1b]0;title\x07\x00\x85",
    "\u202eevil\u2066",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "{{7*7}}${7*7}",
)
VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: what is open must be closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember one."""
        self.tags.append((tag, dict(attrs)))
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a leaf of SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the one that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember what can be read."""
        if self.open and self.open[-1] not in {"script", "style"}:
            self.said.append(data)


def read(text: str) -> Reader:
    """Parse a page to its end."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def hostile(text: str) -> Report:
    """Return a report in which every text is this one."""
    evil = request(1)._replace(
        request=text, function=text, status=text, error=text, lines=lines(text, 0, text)
    )
    evil = evil._replace(lines=tuple(ln._replace(level=text, event=text) for ln in evil.lines))
    trouble = REPORT.troubles[0]._replace(
        function=text, message=text, sample=text, request=text, lines=evil.lines
    )
    return REPORT._replace(
        destination=text,
        only=text,
        functions=tuple(f._replace(name=text) for f in REPORT.functions),
        slowest=(evil,),
        troubles=(trouble,),
        losses=(REPORT.losses[0]._replace(reason=text),),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_function_logs_is_text_and_nothing_else(text: str) -> None:
    """The elements are those of a normal report, and the text appears where people read it."""
    found, tame = read(page(hostile(text))), read(page(hostile("tame")))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in tame.tags]
    assert [sorted(attrs) for _, attrs in found.tags] == [sorted(a) for _, a in tame.tags]
    said = "".join(found.said)
    assert re.sub(r"\x1b.*?(m|\x07)|[\x00\x85\u202e\u2066]", "", text)[:5].strip("\x1b") in (
        said.replace("\N{REPLACEMENT CHARACTER}", "")
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)


@pytest.mark.parametrize("report", [REPORT, EMPTY], ids=["full", "empty"])
def test_the_page_asks_nobody_for_anything(report: Report) -> None:
    """No address, no source, and a policy that forbids what a mistake would put there."""
    found = read(page(report))
    for tag, attributes in found.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "image"}
        assert not {"src", "srcset", "action", "data", "xlink:href"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    policies = [a["content"] for t, a in found.tags if "http-equiv" in a]
    assert policies
    assert (policies[0] or "").startswith("default-src 'none';")
    assert "http:" not in page(report)
    assert "https:" not in page(report)
    assert "url(" not in page(report)
    assert "@import" not in page(report)


@pytest.mark.parametrize("report", [REPORT, EMPTY], ids=["full", "empty"])
def test_every_reference_on_the_page_leads_somewhere(report: Report) -> None:
    """Links, and what assistive technology reads in place of a picture."""
    found = read(page(report))
    assert len(found.ids) == len(set(found.ids))
    for _, attributes in found.tags:
        names = (attributes.get("aria-labelledby") or "").split()
        names += [(attributes.get("href") or "#main").removeprefix("#")]
        assert set(names) <= set(found.ids)


def test_tables_and_pictures_say_what_they_are() -> None:
    """Heads with a scope, pictures with a name, headings without a gap."""
    found = read(page(REPORT))
    assert all("scope" in attributes for tag, attributes in found.tags if tag == "th")
    pictures = [a for tag, a in found.tags if tag == "svg"]
    assert len(pictures) == 4 + len(REPORT.functions)
    assert all(a["role"] == "img" for a in pictures)
    assert all("aria-label" in a or "aria-labelledby" in a for a in pictures)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_three_questions_are_answered_in_sentences() -> None:
    """Readers see the answers without scrolling."""
    slow, failed, cost = answers.answers(REPORT)
    assert slow.text == (
        "Slowest is invoices: half of its 480 invocations take more than 608 ms, one in twenty "
        "more than 2.90 s. The longest took 3.00 s. 6 cold starts (1.2 %) typically took 334 ms "
        "on top."
    )
    assert failed.text == (
        "50 of 2,580 invocations (1.9 %) went wrong: 10 failed (all at the timeout), 40 "
        "logged an error and ended well. Most often, 40 times in orders: “order # could not be "
        "charged: PaymentDeclinedError: card of order # declined”"
    )
    gb_s, requests = 170.5 * 0.0000166667, 2_580 * 0.2 / 1e6
    assert money.usd(REPORT.total, "x86_64") == pytest.approx(gb_s + requests)
    assert cost.text == (
        "$0.0034 for 2,580 invocations and 170 GB-s. Dearest is invoices with 59 % of it. At "
        "this rate a month is $0.10."
    )


def test_a_good_day_is_told_as_one() -> None:
    """Nothing failed is an answer, too."""
    good = REPORT._replace(total=TILL, functions=(TILL,), troubles=())
    slow, failed, _ = answers.answers(good)
    assert failed.text == "Nothing failed, and no error was logged."
    assert slow.text.startswith("Only one function ran, till: half of its 900 invocations")


def test_a_month_is_not_foretold_from_a_minute() -> None:
    """The demo runs for seconds."""
    short = REPORT._replace(moments=REPORT.moments[:1], step_ms=60_000)
    assert money.month_usd(short) is None
    assert "month" not in answers.answers(short)[2].text


def kinds(function: Function, report: Report = REPORT) -> set[str]:
    """Return what one function is advised to do."""
    return {a.kind for a in advice.advice(report._replace(functions=(function,)))}


def test_advice_is_given_where_figures_say_so_and_nowhere_else() -> None:
    """Each rule has a function just inside and one just outside."""
    assert kinds(INVOICES) == {"Timeouts", "Memory nearly full"}
    assert kinds(ORDERS) == {"One cause", "Memory to spare"}
    assert kinds(TILL) == set()
    assert "Memory to spare" not in kinds(ORDERS._replace(invocations=99))
    assert "Memory to spare" not in kinds(ORDERS._replace(memory_used=394.0))
    assert "Memory to spare" not in kinds(ORDERS._replace(sizes=2))
    assert "Memory to spare" not in kinds(ORDERS._replace(memory_used=None))
    assert kinds(TILL._replace(cold=90, init_p50=600.0)) == {"Cold starts"}
    assert kinds(TILL._replace(p99=200.0)) == {"Long tail"}
    assert kinds(TILL._replace(memory_used=116.0)) == {"Memory nearly full"}
    assert kinds(TILL._replace(memory_used=115.0)) == set()


def test_memory_that_is_advised_would_have_been_enough() -> None:
    """141 MB and a third more fit into 256 MB, not into 128."""
    (found,) = (a for a in advice.advice(REPORT) if a.kind == "Memory to spare")
    assert "memory could be 256 MB" in found.text
    saved = money.usd(ORDERS, "x86_64") - LIST_PRICES["lambda_requests"].usd(ORDERS.invocations)
    assert f"saved {words.usd(saved / 2)}" in found.text


def test_lost_records_are_told() -> None:
    """Records outside the table are not in the figures."""
    assert "12 records lost: the spool is full" in "".join(read(page(REPORT)).said)


def test_an_empty_table_says_what_to_check() -> None:
    """The page of a newcomer."""
    said = "".join(read(page(EMPTY._replace(newest_ms=None))).said)
    assert "The table is there, and has no row." in said
    assert "OTLP2PARQUET_DESTINATION" in said
    said = "".join(read(page(EMPTY._replace(only="orders"))).said)
    assert "No row of orders is from this time; the table's newest row is of 2026-03-14" in said


def test_rows_without_reports_are_not_taken_for_no_invocations() -> None:
    """If platform.report is excluded, the page says so."""
    said = "".join(read(page(EMPTY._replace(rows=5, troubles=REPORT.troubles))).said)
    assert "no platform.report among them" in said
    assert "card of order # declined" in said


def test_a_page_stays_small_whatever_was_logged() -> None:
    """There are thousands of functions, twenty of everything else, and texts of full length."""
    quotes = '"' * 500
    many = tuple(ORDERS._replace(name=f"function-{n}", gb_s=float(5_000 - n)) for n in range(5_000))
    full = lines("r", 0)[1]._replace(text=quotes, more=10**6)
    evil = request(1)._replace(lines=(full,) * 40)
    trouble = REPORT.troubles[0]._replace(sample='"' * 4_000, lines=(full,) * 40)
    big = REPORT._replace(functions=many, slowest=(evil,) * 20, troubles=(trouble,) * 20)
    text = page(big)
    assert len(text) < 7_000_000
    assert text.count('scope="row"') < 250
    assert "4,900 more functions not shown" in text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.duration(0.417), "0.42 ms"),
        (words.duration(7.5), "7.5 ms"),
        (words.duration(120.4), "120 ms"),
        (words.duration(1_237.6), "1.24 s"),
        (words.duration(25_791), "25.8 s"),
        (words.duration(125_000), "2 min 5 s"),
        (words.duration(None), words.NONE),
        (words.percent(1, 3_000), "< 0.1 %"),
        (words.percent(2_999, 3_000), "> 99.9 %"),
        (words.percent(3, 30), "10 %"),
        (words.percent(1, 30), "3.3 %"),
        (words.percent(0, 0), words.NONE),
        (words.usd(0.0000731), "$0.000073"),
        (words.usd(0.5), "$0.50"),
        (words.usd(12.3), "$12.30"),
        (words.usd(1_234.4), "$1,234"),
        (words.usd(0), "$0.00"),
        (words.span(86_400_000), "1 day"),
        (words.span(5_400_000), "90 minutes"),
        (words.span(1_800_000), "30 minutes"),
        (words.span(60_000), "1 minute"),
        (words.span(0), "1 second"),
        (words.things(0, "error"), "no errors"),
        (words.things(2_000, "error"), "2,000 errors"),
        (words.bound(1_500.0), "1.5 s"),
        (words.bound(1e7), "10,000 s"),
    ],
)
def test_numbers_read_well(said: str, expected: str) -> None:
    """Few digits, a unit, and no zero for a small value."""
    assert said == expected


@pytest.mark.parametrize("highest", [0, 1, 3, 4, 5, 17, 99, 100, 101, 12_345, 10**9])
def test_axes_end_at_round_numbers_just_above(highest: int) -> None:
    """The tallest bar fits, and fills more than a third."""
    marks = scales.ticks(highest)
    assert marks[0] == 0
    assert 2 <= len(marks) <= 5
    assert max(highest, 1) <= marks[-1]
    assert highest * 2.5 >= marks[-1] or highest < 2
    assert all(mark == int(mark) for mark in marks)


@pytest.mark.parametrize("span_ms", [0, 1_000, 59_000, 3_600_000, 86_400_000, 10**11, 4 * 10**11])
def test_a_time_has_few_steps(span_ms: int) -> None:
    """From seconds of a demo to years."""
    step = scales.step_ms(span_ms)
    assert span_ms // step + 2 <= scales.MOST_STEPS + 1
    assert span_ms / scales.tick_ms(span_ms) <= scales.MOST_TIMES
