"""Finds the places of secrets in a text, and masks them. Pure.

    text --unescaped, 0 to 3 times--> letters and digits --needles--> spans of the text --> ***

It runs only for messages that may contain a secret.
"""

from __future__ import annotations

from otlp2parquet_ext.common.secrets.escapes import UNESCAPED_TIMES, chars_of, unescaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Protocol, TypeAlias

    from otlp2parquet_ext.common.secrets.escapes import Char

    class SearchedForm(Protocol):
        """One form of a secret; see `masking.Needle`."""

        text: str
        piece: int
        edge: int
        encoded: bool

    Forms: TypeAlias = Mapping[Callable[[str], bool], Sequence[SearchedForm]]
    """Forms by the test of which characters are compared: see `masking`."""

HIDDEN = "***"
NEIGHBOURS = 8
"""Digits beside a secret in base64 that may encode a part of the secret and of its neighbours."""

_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=-_%")
"""Characters that may stand beside a secret in base64, percent-encoded or not."""


def masked(text: str, forms: Forms, *, edges: bool) -> str:
    """Return a text with `***` instead of each found secret; see `Masker.mask`."""
    spans: set[tuple[int, int, int]] = set()
    chars = chars_of(text)
    for _ in range(UNESCAPED_TIMES + 1):
        for keep, needles in forms.items():
            if needles:
                spans |= _found(chars, keep, needles, edges=edges)
        before, chars = chars, unescaped(chars)
        if len(before) == len(chars):
            break
    return _hidden(text, (_wider(text, *span) for span in spans))


def _found(
    chars: Sequence[Char],
    keep: Callable[[str], bool],
    needles: Iterable[SearchedForm],
    *,
    edges: bool,
) -> set[tuple[int, int, int]]:
    """Return the spans of a text that contain a needle, complete or nearly complete.

    Each has the number of characters beside it that may reveal a part of the secret, too.
    """
    kept = [char for char in chars if keep(char.char)]
    text = "".join(char.char for char in kept)
    spans = set()
    for needle in needles:
        for start, end in _places(text, needle, edges=edges):
            more = NEIGHBOURS if needle.encoded else 0
            spans.add((kept[start].start, kept[end - 1].end, more))
    return spans


def _places(text: str, needle: SearchedForm, *, edges: bool) -> Iterator[tuple[int, int]]:
    whole, piece = needle.text, min(needle.piece, len(needle.text))
    at = text.find(whole[:piece])
    while at >= 0:
        end = at + piece
        while end - at < len(whole) and text[end : end + 1] == whole[end - at]:
            end += 1
        yield at, end
        at = text.find(whole[:piece], end)
    at = text.find(whole[-piece:])
    while at >= 0:
        end, back = at + piece, piece
        while back < len(whole) and at and text[at - 1] == whole[-back - 1]:
            at, back = at - 1, back + 1
        yield at, end
        at = text.find(whole[-piece:], end)
    if edges:
        for size in range(min(piece, len(whole) - 1, len(text)), needle.edge - 1, -1):
            if text.endswith(whole[:size]):
                yield len(text) - size, len(text)
            if text.startswith(whole[-size:]):
                yield 0, size


def _wider(text: str, start: int, end: int, more: int) -> tuple[int, int]:
    """Return a span extended by the digits beside it, which base64 makes of other bytes as well."""
    first, last = start, end
    while first and start - first < more and text[first - 1] in _DIGITS:
        first -= 1
    while last < len(text) and last - end < more and text[last] in _DIGITS:
        last += 1
    return first, last


def _hidden(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with `***` instead of its spans, which may overlap."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start > done or not done:
            parts += (text[done:start], HIDDEN)
        done = max(done, end)
    return "".join(parts) + text[done:]
