"""Masks secrets in foreign texts, in every form in which servers and libraries quote them.

    text --unescape, 0 to 3 times--> letters and digits --find--> spans of the text --> ***

Only the letters and digits of a text are compared, so line breaks, quotes and the two alphabets of
base64 make no difference. Percent-encoding, JSON's escapes and HTML's are undone first, as often as
they were applied. Base64 and hexadecimal digits are not decoded. Instead, the text is searched for
the secret's own encoded forms, in base64 in each of the three alignments. Pure. This module is
imported with the first message, which may come before the first `next`, so it imports no `re`,
`json` or `html`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otlp2parquet_ext.common.secrets.places import Forms

HIDDEN = "***"
SHORTEST_HIDDEN = 6
"""Fewest characters of a secret that is masked. A shorter one would match ordinary words."""

PIECE = 12
"""Characters from either end of a secret that are masked even if the rest is missing."""
EDGE, ENCODED_EDGE = 4, 6
"""Fewest characters that count as a cut secret: its beginning at the end of a text, or its end at
the beginning of a text."""

WIDEST = 12
"""Most characters that encode one character of a secret: JSON's escape, escaped again."""

_SIGNS = "%\\&"
"""Characters that begin an escape."""

_PUNCTUATION = ".,:;!?()[]\"'…"


class Needle:
    """One form of a secret, as it is searched for.

    Args:
        text: its letters and digits, or all but its spaces.
        piece: number of characters from either end that are masked even if the rest is missing.
        edge: fewest characters that count as a cut secret at the end or beginning of a text.
        encoded: the form is an encoding, for example base64.
    """

    __slots__ = ("edge", "encoded", "piece", "text")

    def __init__(self, text: str, piece: int, edge: int, *, encoded: bool) -> None:
        self.text = text
        self.piece = piece
        self.edge = edge
        self.encoded = encoded


class Masker:
    """Masks a set of secrets in texts.

    Args:
        secrets: those shorter than `SHORTEST_HIDDEN` are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(
            {s for s in secrets if len(s) >= SHORTEST_HIDDEN}, key=len, reverse=True
        )
        self._needles: dict[bool, Forms] = {}
        self.margin = WIDEST * max(map(len, self._secrets), default=0)
        """Most characters behind a cut that can belong to a secret before it."""

    def mask(self, text: str, *, edges: bool = False) -> str:
        """Return a text with `***` instead of each complete or nearly complete secret.

        Args:
            text: of any origin.
            edges: the text was cut, so mask parts of a secret at its beginning and end, too.
        """
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if not self._secrets or len(text) < EDGE:
            return text
        forms = self._forms(coded=not _is_prose(text))
        if _is_free_of(text, forms, edges=edges):
            return text
        from otlp2parquet_ext.common.secrets.places import masked  # noqa: PLC0415 - few need it

        return masked(text, forms, edges=edges)

    def _forms(self, *, coded: bool) -> Forms:
        """Return the forms to search for; those in base64 are slow, and computed only if needed."""
        if coded not in self._needles:
            found = [n for secret in self._secrets for n in _needles(secret, coded=coded)]
            self._needles[coded] = {
                keep: [n for key, n in found if key is keep] for keep in (str.isalnum, _is_solid)
            }
        return self._needles[coded]


def _is_free_of(text: str, forms: Forms, *, edges: bool) -> bool:
    """Tell quickly whether a text contains none of the forms, without finding their places."""
    if any(sign in text for sign in _SIGNS):
        return False
    for keep, needles in forms.items():
        kept = "".join(filter(keep, text)) if needles else ""
        for needle in needles:
            size = needle.edge if edges else needle.piece
            if needle.text[:size] in kept or needle.text[-size:] in kept:
                return False
    return True


def _is_prose(text: str) -> bool:
    """Tell whether all long words have letters of one case only, which base64 never has."""
    words = (word.strip(_PUNCTUATION) for word in text.split())
    return all(
        len(word) < SHORTEST_HIDDEN
        or (word.isalpha() and (word.islower() or word.isupper() or word.istitle()))
        for word in words
    )


def _is_solid(char: str) -> bool:
    """Tell whether a character is compared if a secret has few letters and digits."""
    return not char.isspace() and char != "+"


def _needles(secret: str, *, coded: bool) -> Iterator[tuple[Callable[[str], bool], Needle]]:
    """Yield the forms of a secret, each with the test of which characters are compared."""
    plain = secret
    if any(sign in secret for sign in _SIGNS):
        from otlp2parquet_ext.common.secrets.escapes import unescaped_fully  # noqa: PLC0415 - few have any

        plain = "".join(char.char for char in unescaped_fully(secret))
    others: Iterable[str] = ()
    if coded:
        from otlp2parquet_ext.common.secrets.forms import coded as coded_forms  # noqa: PLC0415 - as above

        others = coded_forms(secret)
    for text, edge in [
        *((text, EDGE) for text in {secret, plain}),
        *((text, ENCODED_EDGE) for text in others),
    ]:
        for keep in (str.isalnum, _is_solid):
            kept = "".join(filter(keep, text))
            if len(kept) >= SHORTEST_HIDDEN:
                yield keep, Needle(kept, PIECE, edge, encoded=edge == ENCODED_EDGE)
                break
