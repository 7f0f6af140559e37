"""docs/iam.md: its policies are those of docs/iam, its tables show what fails without an action.

python tests/iam/policy_pages.py docs/iam.md     puts the policies as they are today into the page
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from policy_documents import FOLDER

PAGE = FOLDER.with_suffix(".md")
SHOWN = re.compile(
    r"(\[(iam/[a-z0-9-]+\.json)\]\(\2\)(?:(?!```|\[iam/|\n#)[\s\S])*```json\n)((?:(?!```).*\n)*)"
)
SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
ROW = re.compile(r"^\| `([a-z0-9]+:[A-Za-z]+)` \|.*\| ([a-z, ]+) \|$", re.MULTILINE)


def rewritten(page: str) -> str:
    """Return a page with the policies as their files have them."""
    return SHOWN.sub(lambda found: f"{found[1]}{(PAGE.parent / found[2]).read_text()}", page)


def shown(page: str) -> dict[str, str]:
    """Return the policies of a page, by the names of their files."""
    return {found[2]: found[3] for found in SHOWN.finditer(page)}


def fails_without(section: str) -> dict[str, set[str]]:
    """Return the steps a section says fail without each action: the last column of its table.

    Raises:
        KeyError: there is no such section.
    """
    text = dict(SECTION.findall(PAGE.read_text()))[section]
    return {action: set(steps.split(", ")) for action, steps in ROW.findall(text)}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(rewritten(Path(name).read_text()))
