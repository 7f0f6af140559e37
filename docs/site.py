"""What the site needs beside the pages: links out of this folder become names of files.

Pages are read in the checkout, too, where a link to a test leads somewhere; the site is pages only.

Source: MkDocs user guide, "Hooks".
"""

from __future__ import annotations

import re

OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+((?:tests|deploy|examples|benchmarks|layer)/[^)]*)\)"
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return a page without links that lead out of the site."""
    return OUTSIDE.sub(r"\1 (`\2`)", markdown)
