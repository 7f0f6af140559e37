"""Links between pages lead somewhere, in the checkout and on the site."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from built_tools import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(
        r"^#+ (.+)$", CODE.sub(lambda m: m[0].strip("`"), page.read_text()), re.MULTILINE
    )
    return {re.sub(r"[^\w\s-]", "", h).strip().lower().replace(" ", "-") for h in headings}


def broken(page: Path) -> Iterator[str]:
    """Yield each link of a page that leads to no file, or to no heading of it."""
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield f"{page.relative_to(ROOT)}: {target}"


def test_every_link_leads_to_something() -> None:
    """A reader follows a link in need of an answer."""
    links = [link for page in PAGES for link in broken(page)]
    assert not links, "\n".join(links)


def test_every_page_is_reached_from_the_readme_or_the_site() -> None:
    """A page without a link has no readers."""
    nav = (ROOT / "mkdocs.yml").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if f"- {page}\n" not in nav} == set()


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """MkDocs finds links and anchors that are right in a checkout and wrong on a site."""
    mkdocs = needed("docs") / "bin" / "mkdocs"
    site = tmp_path / "site"
    command = [str(mkdocs), "build", "--quiet", "--strict", "--site-dir", str(site)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    page = (site / "index.html").read_text()
    fetched = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)""", page)
    assert [address for address in fetched if "canonical" not in address] == []
