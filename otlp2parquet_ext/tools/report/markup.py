"""HTML that always escapes text: every value that is not `Html` is escaped.

element("p", "1 < 2", class_="note")  -->  <p class="note">1 &lt; 2</p>
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset({"meta", "input", "rect", "line", "path", "circle"})
"""Elements without an end tag: void elements of HTML; leaves of SVG are closed at once."""
_SVG = frozenset({"rect", "line", "path", "circle"})


class Html(str):
    """Text that is already markup."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float | bool | None) -> Html:
    """Return one element.

    Args:
        name: name of the element.
        children: `Html` is inserted unchanged, any other text is escaped.
        attributes: `class_` becomes `class`, `aria_label` becomes `aria-label`. True gives the bare
            name; None and False omit the attribute.
    """
    written = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID and not children:
        return Html(f"<{name}{written}{'/' if name in _SVG else ''}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Return the concatenated parts, each escaped unless it is markup."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def text(value: str) -> Html:
    """Return text as markup, without control and direction characters."""
    return Html(escape(clean(value)))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
