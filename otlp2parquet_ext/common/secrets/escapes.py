r"""Undoes escapes, and keeps the place in the text from which each character comes. Pure.

    a%2Fb, a\u002fb, a\/b, a&#47;b --unescaped--> a, /, b, with their spans

A message before the first `next` may need it, so it imports no `re`, `json` or `html`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

UNESCAPED_TIMES = 3
_HEX = "0123456789abcdefABCDEF"
_DECIMAL = "0123456789"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LONGEST_ENTITY = 10


class Char:
    """An unescaped character, and its span in the original text."""

    __slots__ = ("char", "end", "start")

    def __init__(self, char: str, start: int, end: int) -> None:
        self.char = char
        self.start = start
        self.end = end


def chars_of(text: str) -> list[Char]:
    """Return the characters of a text, each with its own span."""
    return [Char(char, at, at + 1) for at, char in enumerate(text)]


def unescaped(chars: Sequence[Char]) -> list[Char]:
    """Return the characters with one layer of escapes undone."""
    text = "".join(char.char for char in chars)
    found: list[Char] = []
    at = 0
    while at < len(text):
        meant, end = _ESCAPES[text[at]](text, at) if text[at] in _ESCAPES else ("", at)
        if end == at:
            found.append(chars[at])
            at += 1
        else:
            found += (Char(c, chars[at].start, chars[end - 1].end) for c in meant)
            at = end
    return found


def unescaped_fully(text: str) -> list[Char]:
    """Return the characters of a text with all its escapes undone."""
    chars = chars_of(text)
    for _ in range(UNESCAPED_TIMES):
        chars = unescaped(chars)
    return chars


def _run(text: str, at: int, size: int, allowed: str = _HEX) -> str:
    """Return up to `size` allowed characters from position `at`."""
    end = at
    while end < len(text) and end - at < size and text[end] in allowed:
        end += 1
    return text[at:end]


def _percent(text: str, at: int) -> tuple[str, int]:
    """Return the text of `%41` and where it ends; adjoining non-ASCII bytes are joined."""
    end, data = at, bytearray()
    while text[end : end + 1] == "%" and len(pair := _run(text, end + 1, 2)) == 2:
        byte = int(pair, 16)
        if data and byte < 0x80:
            break
        data.append(byte)
        end += 3
        if byte < 0x80:
            break
    return data.decode("utf-8", "replace"), end


def _backslash(text: str, at: int) -> tuple[str, int]:
    r"""Return the character of `\u0041`, `\x41`, `\n` or `\/`, and where the escape ends."""
    kind = text[at + 1 : at + 2]
    size = {"u": 4, "x": 2}.get(kind, 0)
    if not size:
        return _CONTROLS.get(kind, kind), at + 2 if kind else at
    found = _run(text, at + 2, size)
    return (chr(int(found, 16)), at + 2 + size) if len(found) == size else ("", at)


def _entity(text: str, at: int) -> tuple[str, int]:
    """Return the character of `&amp;`, `&#65;` or `&#x41;`, and where the entity ends."""
    end = text.find(";", at, at + _LONGEST_ENTITY)
    name = text[at + 1 : max(end, at)]
    if name in _ENTITIES:
        return _ENTITIES[name], end + 1
    base, start, allowed = (16, 2, _HEX) if name[:2] in ("#x", "#X") else (10, 1, _DECIMAL)
    number = name[start:]
    if name[:1] != "#" or not number or _run(number, 0, _LONGEST_ENTITY, allowed) != number:
        return "", at
    value = int(number, base)
    return (chr(value), end + 1) if value < 0x110000 else ("", at)


_ESCAPES = {"%": _percent, "\\": _backslash, "&": _entity}
