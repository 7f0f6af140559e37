"""The page in a real browser.

Its look, its keyboard use, its layout, and that it sends no request.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import Browser, Page, chromium, needs_chromium
from facts_made import EMPTY, REPORT
from test_page import HOSTILE, hostile

from otlp2parquet_ext.tools.report.page import page as document

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.thorough, needs_chromium, pytest.mark.e2e]

LAYOUT = Path(__file__).parent / "layout.json"
"""The place of each part, by width of the window; `OTLP2PARQUET_TEST_LAYOUT=write` updates it."""
WIDTHS = {"wide": 1_280, "tablet": 820, "phone": 390}
TOLERANCE = 0.12
"""Of a part's height: other fonts break lines elsewhere. Widths and left edges are exact."""
PARTS = (
    "header", ".tools", "nav", ".answers", ".answer", ".numbers", "#to-do", "#over-time",
    "#durations", "#memory", "#cold-starts", "#functions .scroll", "#errors", "#requests", "#about",
)  # fmt: skip
BOXES = """Object.fromEntries(%s.map(s => {
  const b = document.querySelector(s).getBoundingClientRect();
  return [s, [b.x, b.y + scrollY, b.width, b.height].map(Math.round)] }))"""

CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data;
    return [d[0], d[1], d[2], d[3] / 255]; };
  const light = c => { const [r, g, b] = c.map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c; }
    return [255, 255, 255, 1]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let n; (n = walk.nextNode());) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility() || e.closest("svg, script, .skip")) continue;
    const a = light(rgba(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, e.tagName + "." + e.className, n.data.trim().slice(0, 30)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""

GRAPHICS = (
    """[...document.querySelectorAll(".key")].map(e => getComputedStyle(e).backgroundColor)"""
)
FOCUS = """(() => { const e = document.activeElement; const row = e.closest("details");
  return [e.tagName, e.id, (row && e.tagName == "SUMMARY") ? row.className : "",
    (e.textContent || "").trim().slice(0, 20)]; })()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests; pages are apart."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a report as a file, as people open it."""
    return written(tmp_path_factory.mktemp("page") / "report.html", document(REPORT))


def written(file: Path, text: str) -> str:
    """Write a page; return its address."""
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


def open_all(page: Page) -> None:
    """Open everything that can be opened."""
    page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_a_request_or_a_complaint(
    browser: Browser, url: str, scheme: str
) -> None:
    """The policy forbids requests, and nothing on the page tries one."""
    page = browser.open(url, scheme=scheme)
    open_all(page)
    page.picture(whole=True)
    assert page.requests == [url]
    assert page.messages == []
    assert page.value("document.querySelectorAll('section').length") == 7


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_line_runs_nothing(browser: Browser, tmp_path: Path, number: int) -> None:
    """No dialog, no error, no element of its own; the text is there to read."""
    page = browser.open(written(tmp_path / "evil.html", document(hostile(HOSTILE[number]))))
    open_all(page)
    assert page.messages == []
    assert len(page.requests) == 1
    assert page.value("document.querySelectorAll('img, script:not(body > script)').length") == 0
    assert page.value("document.querySelectorAll('[onerror], [onload], [onmouseover]').length") == 0
    assert page.value("document.querySelector('.said').innerText.length") > 0


def test_the_policy_stops_what_would_get_through(browser: Browser, tmp_path: Path) -> None:
    """As a second protection the browser does not load a smuggled picture."""
    smuggled = document(REPORT).replace("</main>", '<img src="http://127.0.0.1:9/x.png"></main>')
    page = browser.open(written(tmp_path / "smuggled.html", smuggled))
    assert any("Content Security Policy" in message for message in page.messages)


def test_the_first_tabs_lead_to_the_report_the_filter_and_the_theme(
    browser: Browser, url: str
) -> None:
    """The skip link comes first, then the elements of the head, in visible order."""
    page = browser.open(url)
    walked = []
    for _ in range(4):
        page.press("Tab")
        walked.append(page.value(FOCUS))
    assert [w[3] for w in walked][:1] == ["Skip to the report"]
    assert [w[1] for w in walked[1:3]] == ["filter", "theme"]
    assert walked[3][3] == "Summary"
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.value("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


def test_the_skip_link_skips(browser: Browser, url: str) -> None:
    """The next stop is within the report."""
    page = browser.open(url)
    page.press("Tab")
    page.press("Enter")
    page.press("Tab")
    assert page.value("document.activeElement.closest('main') !== null")


def test_every_request_is_opened_by_enter(browser: Browser, url: str) -> None:
    """By keyboard alone: Tab to the row, Enter for its lines, Enter again to close."""
    page = browser.open(url)
    for _ in range(80):
        page.press("Tab")
        if "request" in page.value(FOCUS)[2]:
            break
    opened = "document.activeElement.parentElement.open"
    assert page.value(opened) is False
    page.press("Enter")
    assert page.value(opened) is True
    lines = "document.activeElement.parentElement.querySelector('.lines')"
    assert page.value(f"{lines}.checkVisibility()") is True
    assert "order 7 could not be charged" in page.value(f"{lines}.innerText")
    page.press("Enter")
    assert page.value(opened) is False


def test_the_theme_is_chosen_by_keyboard_and_kept(browser: Browser, url: str) -> None:
    """Auto follows the system; light and dark do not."""
    page = browser.open(url, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.value(ground)
    page.value("document.getElementById('theme').focus()")
    page.press("Enter")
    assert page.value("document.getElementById('theme').textContent") == "Theme: light"
    light = page.value(ground)
    assert light != dark
    page.load(url)
    assert page.value(ground) == light
    page.value("document.getElementById('theme').focus()")
    page.press("Enter")
    page.prefer("light")
    assert page.value(ground) == dark
    page.press("Enter")
    assert page.value("document.getElementById('theme').textContent") == "Theme: auto"
    assert page.value(ground) == light


def test_a_slash_filters_and_escape_takes_it_back(browser: Browser, url: str) -> None:
    """It shows rows of every list that have all the words, and their number."""
    page = browser.open(url)
    page.press("/")
    assert page.value("document.activeElement.id") == "filter"
    page.write("invoices timeout")
    visible = (
        "[...document.querySelectorAll('[data-find]')].filter(e => e.checkVisibility())"
        ".map(e => e.dataset.find)"
    )
    found = page.value(visible)
    assert found
    assert all("invoices" in f and "timeout" in f for f in found)
    assert page.value("document.getElementById('found').textContent").startswith(f"{len(found)} of")
    page.press("Escape")
    assert page.value("document.getElementById('found').textContent") == ""
    assert len(page.value(visible)) > len(found)


def test_functions_are_sorted_by_any_column(browser: Browser, url: str) -> None:
    """Figures sort from the largest, then from the smallest, and the head shows the direction."""
    page = browser.open(url)
    names = "[...document.querySelectorAll('.functions tbody th')].map(e => e.textContent)"
    head = "[...document.querySelectorAll('.functions thead th')]"
    assert page.value(names) == ["invoices", "orders", "till"]
    page.value(f"{head}[1].querySelector('button').focus()")
    page.press("Enter")
    assert page.value(names) == ["orders", "till", "invoices"]
    assert page.value(f"{head}.map(e => e.ariaSort)")[:3] == [None, "descending", None]
    page.press("Enter")
    assert page.value(names) == ["invoices", "till", "orders"]
    page.value(f"{head}[0].querySelector('button').click()")
    assert page.value(f"{head}.map(e => e.ariaSort)")[:3] == ["ascending", None, None]
    assert page.value(names) == ["invoices", "orders", "till"]


def test_without_scripts_everything_is_there_to_read(browser: Browser, url: str) -> None:
    """Only what needs the script is not shown."""
    page = browser.open(url, scripts=False)
    tree = page.do("DOMSnapshot.captureSnapshot", computedStyles=["display"])
    said = " ".join(tree["strings"])
    assert "card of order # declined" in said
    assert "Theme: auto" in said
    page.do("Emulation.setScriptExecutionDisabled", value=False)
    assert page.value("document.querySelector('.tools').checkVisibility()") is False
    assert page.value("document.querySelector('.request summary').checkVisibility()") is True
    assert page.value("document.querySelectorAll('th button').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_text_stands_out_from_what_is_behind_it(
    browser: Browser, tmp_path: Path, scheme: str, kind: str
) -> None:
    """A contrast of 4.5 at least, opened rows and all (WCAG 2.2, 1.4.3)."""
    report = REPORT if kind == "full" else EMPTY
    page = browser.open(written(tmp_path / "report.html", document(report)), scheme=scheme)
    open_all(page)
    found = page.value(CONTRAST)
    assert len(found) > (300 if kind == "full" else 10)
    assert [each for each in found if each[0] < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_parts_of_bars_are_told_apart_without_colour(
    browser: Browser, url: str, scheme: str
) -> None:
    """Their lightness differs, so they do for every kind of colour blindness, and in print."""
    page = browser.open(url, scheme=scheme)
    shades = [_lightness(text) for text in page.value(GRAPHICS)]
    assert len(shades) == 3
    for n, one in enumerate(shades):
        for other in shades[n + 1 :]:
            assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= 1.2


def _lightness(colour: str) -> float:
    values = [int(v) / 255 for v in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("kind", WIDTHS)
def test_every_part_lies_where_it_should(browser: Browser, url: str, kind: str) -> None:
    """Against boxes kept beside this file; the page itself never scrolls sideways."""
    page = browser.open(url, width=WIDTHS[kind])
    assert page.value("document.documentElement.scrollWidth") == WIDTHS[kind]
    boxes = page.value(BOXES % json.dumps(PARTS))
    kept: dict[str, Any] = json.loads(LAYOUT.read_text())
    if os.environ.get("OTLP2PARQUET_TEST_LAYOUT") == "write":
        LAYOUT.write_text(json.dumps(kept | {kind: boxes}, indent=1) + "\n")
        pytest.skip("written")
    top = 0.0
    for part in PARTS:
        x, y, width, height = boxes[part]
        expected = kept[kind][part]
        if part not in {".tools", "nav"}:  # as wide as their words are
            assert (part, x, width) == (part, expected[0], expected[2])
        assert abs(height - expected[3]) <= max(24, TOLERANCE * expected[3]), (part, boxes[part])
        assert abs(y - expected[1]) <= max(48, TOLERANCE * expected[1]), (part, boxes[part])
        top = max(top, y)
    assert top == boxes["#about"][1]


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overlaps_or_is_cut_off(browser: Browser, url: str, kind: str, scheme: str) -> None:
    """Siblings do not cover each other, labels of axes neither, opened rows and all."""
    page = browser.open(url, width=WIDTHS[kind], scheme=scheme)
    open_all(page)
    script = """(() => { const bad = [];
      const boxes = list => list.filter(e => e.checkVisibility()).map(e =>
        [e.textContent.slice(0, 20), e.getBoundingClientRect()]);
      const cross = (a, b) => a.right > b.left + 1 && b.right > a.left + 1
        && a.bottom > b.top + 1 && b.bottom > a.top + 1;
      const groups = ".answers, .numbers, .three, main, .plot, header";
      for (const group of [...document.querySelectorAll(groups)]) {
        const found = boxes([...group.children].filter(e => e.tagName != "svg"));
        found.forEach(([name, a], n) => found.slice(n + 1).forEach(([other, b]) => {
          if (cross(a, b)) bad.push([name, other]); })); }
      for (const e of document.querySelectorAll("main *")) {
        const b = e.getBoundingClientRect();
        if (b.right > innerWidth + 1 && e.checkVisibility() && !e.closest(".scroll"))
          bad.push([e.tagName, e.className, b.right]); }
      return bad; })()"""
    assert page.value(script) == []
    picture = page.picture()
    assert struct.unpack(">II", picture[16:24]) == (WIDTHS[kind], 900)


def test_on_paper_tools_are_gone_and_rows_are_open(browser: Browser, url: str) -> None:
    """A printed report is read, not operated."""
    page = browser.open(url, scheme="dark")
    page.do("Emulation.setEmulatedMedia", media="print")
    page.value("dispatchEvent(new Event('beforeprint'))")
    assert page.value("document.querySelector('.tools').checkVisibility()") is False
    assert page.value("[...document.querySelectorAll('details.row')].every(d => d.open)") is True
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.value("dispatchEvent(new Event('afterprint'))")
    assert page.value("[...document.querySelectorAll('details.row')].some(d => d.open)") is False
    assert page.do("Page.printToPDF")["data"].startswith("JVBER")
