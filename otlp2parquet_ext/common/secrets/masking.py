"""Secrets in other people's texts: found in every form in which servers and libraries quote them.

    text --unescape, 0 to 3 times--> letters and digits --find--> spans of the text --> ***

A text is compared by its letters and digits alone, so folds, line ends, quotes and base64's two
alphabets make no difference. Percent-encoding, JSON's escapes and HTML's are undone first, as
often as they were applied. Base64 and hexadecimal digits are not undone: the secrets' own are
looked for, in each of the three alignments. Pure; imported with the first message, not before: that
may be before the first `next`, so that no `re`, `json` or `html` is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otlp2parquet_ext.common.secrets.places import Forms

HIDDEN = "***"
SHORTEST_HIDDEN = 6
"""Fewest characters of a secret: a shorter one would be found in ordinary words."""

PIECE = 12
"""Characters, from either end of a secret, that give it away although the rest is missing."""
EDGE, ENCODED_EDGE = 4, 6
"""As few are a secret's beginning where a text ends, or its end where a text begins."""

WIDEST = 12
"""Characters that one of a secret takes in its longest form: JSON's escape, escaped again."""

_SIGNS = "%\\&"
"""Characters that begin an escape."""

_PUNCTUATION = ".,:;!?()[]\"'…"


class Needle:
    """One form of a secret, as it is compared.

    Args:
        text: its letters and digits, or all but its spaces.
        piece: as many characters, from either end, give it away although the rest is missing.
        edge: as many are its beginning where a text ends, or its end where a text begins.
        encoded: in base64, say.
    """

    __slots__ = ("edge", "encoded", "piece", "text")

    def __init__(self, text: str, piece: int, edge: int, *, encoded: bool) -> None:
        self.text = text
        self.piece = piece
        self.edge = edge
        self.encoded = encoded


class Masker:
    """See the module.

    Args:
        secrets: those shorter than `SHORTEST_HIDDEN` are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(
            {s for s in secrets if len(s) >= SHORTEST_HIDDEN}, key=len, reverse=True
        )
        self._needles: dict[bool, Forms] = {}
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
        if not self._secrets or len(text) < EDGE:
            return text
        forms = self._forms(coded=not _is_prose(text))
        if _is_free_of(text, forms, edges=edges):
            return text
        from otlp2parquet_ext.common.secrets.places import masked  # noqa: PLC0415 - few need it

        return masked(text, forms, edges=edges)

    def _forms(self, *, coded: bool) -> Forms:
        """Return what to look for; forms in base64 cost most, and are computed when needed."""
        if coded not in self._needles:
            found = [n for secret in self._secrets for n in _needles(secret, coded=coded)]
            self._needles[coded] = {
                keep: [n for key, n in found if key is keep] for keep in (str.isalnum, _is_solid)
            }
        return self._needles[coded]


def _is_free_of(text: str, forms: Forms, *, edges: bool) -> bool:
    """Tell whether nothing can be found, without looking where it would stand."""
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
    """Tell whether all long words are of letters in one case: no base64 looks like that."""
    words = (word.strip(_PUNCTUATION) for word in text.split())
    return all(
        len(word) < SHORTEST_HIDDEN
        or (word.isalpha() and (word.islower() or word.isupper() or word.istitle()))
        for word in words
    )


def _is_solid(char: str) -> bool:
    """Tell whether a character counts where a secret has few letters and digits."""
    return not char.isspace() and char != "+"


def _needles(secret: str, *, coded: bool) -> Iterator[tuple[Callable[[str], bool], Needle]]:
    """Yield the forms of a secret, and by which characters each is compared."""
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
