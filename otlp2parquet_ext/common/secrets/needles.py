"""What is looked for in a text: one form of a secret. A value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    Forms: TypeAlias = Mapping[Callable[[str], bool], Sequence["Needle"]]
    """Needles by which characters count: see `masking`."""


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
