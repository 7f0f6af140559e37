"""HTML that cannot forget to escape: what is not `Html` is text, and text is made harmless.

element("p", "1 < 2", class_="note")  -->  <p class="note">1 &lt; 2</p>
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from otlp2parquet_ext.tools.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset({"meta", "input", "rect", "line", "path", "circle"})
"""What has no end tag here: void elements of HTML, leaves of SVG are closed at once."""
_SVG = frozenset({"rect", "line", "path", "circle"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float | bool | None) -> Html:
    """Return one element.

    Args:
        name: of the element.
        children: `Html` goes in as it is, any other text is escaped.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; True is the bare name,
            None and False leave it out.
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
    """Return parts one after the other, each escaped unless it is markup."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def text(value: str) -> Html:
    """Return text as markup; what is no text but moves cursors or turns lines around is gone."""
    return Html(escape(clean(value)))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
