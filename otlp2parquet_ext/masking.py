"""Secrets in other people's texts: found in every form in which servers and libraries quote them.

    text --unescape, 0 to 3 times--> letters and digits --find--> spans of the text --> ***

A text is compared by its letters and digits alone, so folds, line ends, quotes and base64's two
alphabets make no difference. Percent-encoding, JSON's escapes and HTML's are undone first, as
often as they were applied. Base64 and hexadecimal digits are not undone: the secrets' own are
looked for, in each of the three alignments. Pure; imported with the first message, not before: that
may be before the first `next`, so that no `re`, `json` or `html` is used.
"""

from __future__ import annotations

from binascii import b2a_base64

from otlp2parquet_ext.escapes import UNESCAPED_TIMES, Char, chars_of, unescaped, unescaped_fully

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

HIDDEN = "***"
SHORTEST_HIDDEN = 6
"""Fewest characters of a secret: a shorter one would be found in ordinary words."""

PIECE = 12
"""Characters, from either end of a secret, that give it away although the rest is missing."""
EDGE, ENCODED_EDGE = 4, 6
"""As few are a secret's beginning where a text ends, or its end where a text begins."""

NEIGHBOURS = 8
"""Digits beside a secret in base64 in which a part of it is mixed with what stands there."""

WIDEST = 12
"""Characters that one of a secret takes in its longest form: JSON's escape, escaped again."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNRESERVED = frozenset(f"{_LETTERS}0123456789-._~")
_DIGITS = frozenset(f"{_LETTERS}0123456789+/=-_%")
"""Characters that may stand beside a secret in base64, percent-encoded or not."""


class _Needle:
    """One form of a secret, as it is compared.

    Args:
        text: its letters and digits, or all but its spaces.
        edge: the fewest characters by which an edge of a text gives it away.
    """

    __slots__ = ("edge", "text")

    def __init__(self, text: str, edge: int) -> None:
        self.text = text
        self.edge = edge


class Masker:
    """See the module.

    Args:
        secrets: those shorter than `SHORTEST_HIDDEN` are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(
            {s for s in secrets if len(s) >= SHORTEST_HIDDEN}, key=len, reverse=True
        )
        found = [needle for secret in self._secrets for needle in _needles(secret)]
        self._needles = {
            keep: tuple(n for key, n in found if key is keep) for keep in (str.isalnum, _is_solid)
        }
        self.margin = WIDEST * max(map(len, self._secrets), default=0)
        """Characters behind a cut that can belong to a secret before it."""

    def mask(self, text: str, *, edges: bool = False) -> str:
        """Return a text with `***` instead of each secret, and of most of one.

        Args:
            text: of any origin.
            edges: the text was cut: hide a secret's part at its beginning and end, too.
        """
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if not self._secrets or not text:
            return text
        spans: set[tuple[int, int, int]] = set()
        chars = chars_of(text)
        for _ in range(UNESCAPED_TIMES + 1):
            for keep, needles in self._needles.items():
                if needles:
                    spans |= _found(chars, keep, needles, edges=edges)
            before, chars = chars, unescaped(chars)
            if len(before) == len(chars):
                break
        return _hidden(text, (_wider(text, *span) for span in spans))


def _is_solid(char: str) -> bool:
    """Tell whether a character counts where a secret has few letters and digits."""
    return not char.isspace() and char != "+"


def _needles(secret: str) -> Iterator[tuple[Callable[[str], bool], _Needle]]:
    """Yield the forms of a secret, and by which characters each is compared."""
    plain = "".join(char.char for char in unescaped_fully(secret))
    for text, edge in [(secret, EDGE), (plain, EDGE), *((t, ENCODED_EDGE) for t in _coded(secret))]:
        for keep in (str.isalnum, _is_solid):
            kept = "".join(filter(keep, text))
            if len(kept) >= SHORTEST_HIDDEN:
                yield keep, _Needle(kept, edge)
                break


def _coded(secret: str) -> set[str]:
    """Return a secret in hexadecimal digits, and what base64 makes of it wherever it stands."""
    data = secret.encode("utf-8", "replace")
    forms = (data, _percent_encoded(data), _in_json(secret))
    once = {core for form in forms for core in _cores(form)}
    twice = {core for form in _cores(data) for core in _cores(form.encode())}
    return {data.hex(), data.hex().upper()} | once | twice


def _percent_encoded(data: bytes) -> bytes:
    parts = (c if (c := chr(byte)) in _UNRESERVED else f"%{byte:02X}" for byte in data)
    return "".join(parts).encode()


def _in_json(text: str) -> bytes:
    """Return a text as JSON in ASCII has it."""
    units = text.encode("utf-16-be", "surrogatepass").hex()
    found = []
    for at in range(0, len(units), 4):
        char = chr(int(units[at : at + 4], 16))
        shown = f"\\{char}" if char in '"\\' else char
        found.append(shown if " " <= char <= "~" else f"\\u{ord(char):04x}")
    return "".join(found).encode()


def _cores(data: bytes) -> set[str]:
    """Return those digits of base64, of either alphabet, that depend on these bytes alone."""
    found = set()
    for shift, foreign in enumerate((0, 2, 3)):
        text = b2a_base64(b"\0" * shift + data, newline=False).decode().rstrip("=")
        text = text[foreign : len(text) - ((shift + len(data)) % 3 != 0)]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return found


def _found(
    chars: Sequence[Char],
    keep: Callable[[str], bool],
    needles: Iterable[_Needle],
    *,
    edges: bool,
) -> set[tuple[int, int, int]]:
    """Return the spans of a text in which one of the needles stands, whole or mostly.

    With each, how many of the characters beside it may say something of the secret, too.
    """
    kept = [char for char in chars if keep(char.char)]
    text = "".join(char.char for char in kept)
    spans = set()
    for needle in needles:
        for start, end in _places(text, needle, edges=edges):
            more = NEIGHBOURS if needle.edge == ENCODED_EDGE else 0
            spans.add((kept[start].start, kept[end - 1].end, more))
    return spans


def _places(text: str, needle: _Needle, *, edges: bool) -> Iterator[tuple[int, int]]:
    whole, piece = needle.text, min(PIECE, len(needle.text))
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
    """Return a span with the digits beside it, which base64 makes of other bytes as well."""
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
