"""docs/troubleshooting.md has every message that we print."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "otlp2parquet_ext"
PAGE = ROOT / "docs" / "troubleshooting.md"
NOT_IN_LAMBDA = tuple(
    f"tools/{name}" for name in ("local/", "cost/", "report/", "demo.py", "cli.py")
)
SHOWN = re.compile(
    r"(Address|Destination|Busy|Commit|Committer|Conflict|OutcomeUnknown|Storage|NotThere|"
    r"ForeignAddress|Web|Credentials|Query|NoAnswer|Avro|Redact|Slow|Api|Malformed|Encoding|Otlp|"
    r"Refused|Partial|Ingest|Check)Error|NotTried"
)
ROW = re.compile(r"^\| (`[^|]+?`(?:, `[^|]+?`)*) \|", re.MULTILINE)


def text_of(node: ast.expr) -> str | None:
    """Return a message in the form of the page, None if the source does not have its text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
    if isinstance(node, ast.BinOp):
        return (text_of(node.left) or "…") + (text_of(node.right) or "…")
    return None


def messages(path: Path) -> Iterator[str]:
    """Yield the messages that a module prints, or raises for another one to print."""
    for node in ast.walk(ast.parse(path.read_text())):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id == "log" and len(call.args) > 1:
            text = text_of(call.args[1])
        elif isinstance(node, ast.Raise) and SHOWN.fullmatch(call.func.id) and call.args:
            text = text_of(call.args[0])
        else:
            continue
        if text and text.strip("…:; "):
            yield text


SAID = sorted(
    {
        (str(path.relative_to(PACKAGE)), text)
        for path in PACKAGE.rglob("*.py")
        if not str(path.relative_to(PACKAGE)).startswith(NOT_IN_LAMBDA)
        for text in messages(path)
    }
)


def patterns(page: str) -> list[re.Pattern[str]]:
    """Return the messages of the page's tables as expressions; `…` stands for any text."""
    shown = [text for row in ROW.findall(page) for text in re.findall(r"`([^`]+)`", row)]
    assert len(shown) > 100
    return [
        re.compile(".+".join(re.escape(part) for part in text.split("…")), re.DOTALL)
        for text in shown
        if len(text.replace("…", "").strip(" :;=")) > 3
    ]


KNOWN = patterns(PAGE.read_text().replace("\\|", "¦"))


def test_every_message_is_explained() -> None:
    """A reader who searches the page for a line of the log finds what to do about it."""
    assert len(SAID) > 100
    missing = [
        f"{module} says {message!r}"
        for module, message in SAID
        if not any(known.fullmatch(message) for known in KNOWN)
    ]
    assert not missing, "\n".join(missing)
