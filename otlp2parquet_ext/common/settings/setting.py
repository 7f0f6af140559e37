"""The definition of a variable: its spellings, its kind, and the parser of its text.

    FREE_TEXT     any text                  str
    WholeNumber   from the least to the most int
    OneOf         one of some words         the word; `Settings` has it as a `Literal`
    Switch        one of two words          bool
    SomeOf        a comma list of words     frozenset of the words

This module is loaded before the first `next`, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Value = int | str | frozenset[str]
    """The parsed value of a variable; to type checkers, a switch's `bool` is an `int`."""

PREFIX = "OTLP2PARQUET_"


class FreeText:
    """Text that nothing limits."""

    __slots__ = ()
    converts = False

    def parse(self, text: str) -> str | None:
        """Return the text without the white space around it."""
        return text.strip()

    def expected(self) -> str:
        """Return the valid values as text."""
        return "text"


FREE_TEXT = FreeText()


class WholeNumber:
    """A whole number of some unit.

    Args:
        low, high: inclusive range.
        unit: "" for a number without a unit, for example a port.
        memory_mb: memory of the smallest function for which the default is right. A larger value
            needs proportionally more memory. 0: memory sets no bound.
    """

    __slots__ = ("high", "low", "memory_mb", "unit")
    converts = False

    def __init__(self, low: int, high: int, *, unit: str = "", memory_mb: int = 0) -> None:
        self.low, self.high, self.unit, self.memory_mb = low, high, unit, memory_mb

    def parse(self, text: str) -> int | None:
        """Return the number; None if the text is no number or is out of the range."""
        text = text.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            return None
        return int(text) if self.low <= int(text) <= self.high else None

    def expected(self) -> str:
        """Return the valid values as text."""
        unit = f" of {self.unit}" if self.unit else ""
        return f"a whole number{unit} from {self.low} to {self.high}"

    def most(self, default: Value, memory_mb: str) -> int:
        """Return the largest number for which a function of `memory_mb` has enough memory.

        A malformed size, for example "" outside Lambda, sets no bound.
        """
        known_mb = int(memory_mb[:15]) if memory_mb.isascii() and memory_mb.isdigit() else 0
        if not (self.memory_mb and known_mb and isinstance(default, int)):
            return self.high
        return max(default, default * known_mb // self.memory_mb)


class OneOf:
    """One of some words, in any case."""

    __slots__ = ("words",)
    converts = False

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def parse(self, text: str) -> str | None:
        """Return the word in lower case; None if it is not one of `words`."""
        word = text.strip().lower()
        return word if word in self.words else None

    def expected(self) -> str:
        """Return the valid values as text."""
        return f"one of {', '.join(self.words)}"


class Switch:
    """One of two words, in any case; one of them stands for True.

    Args:
        words: both, in the order in which they are shown.
        on: the one that stands for True.
    """

    __slots__ = ("on", "words")
    converts = True

    def __init__(self, words: tuple[str, str], on: str) -> None:
        self.words, self.on = words, on

    def parse(self, text: str) -> bool | None:
        """Return whether the text is the word for True; None if it is neither word."""
        word = text.strip().lower()
        return word == self.on if word in self.words else None

    def expected(self) -> str:
        """Return the valid values as text."""
        return f"one of {', '.join(self.words)}"


class SomeOf:
    """A comma list of words, in any case."""

    __slots__ = ("words",)
    converts = True

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def parse(self, text: str) -> frozenset[str] | None:
        """Return the words; None if one of them is not in `words`."""
        words = frozenset([word.strip().lower() for word in text.split(",")])
        return words if words.issubset(self.words) else None

    def expected(self) -> str:
        """Return the valid values as text."""
        return f"a comma list of {', '.join(self.words)}"


if TYPE_CHECKING:
    Kind = FreeText | WholeNumber | OneOf | Switch | SomeOf


class Setting:
    """One variable: its spellings, its valid values, and its meaning.

    Args:
        attribute: its name in `Settings`.
        names: variables that set it; the first one present is used. A name without the prefix is
            also read with the prefix, and the prefixed one wins.
        default: text of the value that is used if no variable is present or its value is bad.
        says: one sentence for the docs.
        kind: which texts are valid, and what they are parsed to.
        secret: free text that is masked everywhere.

    Attributes:
        value: the parsed default.
    """

    __slots__ = ("_spellings", "attribute", "default", "kind", "names", "says", "secret", "value")

    def __init__(
        self,
        attribute: str,
        names: tuple[str, ...],
        default: int | str,
        says: str,
        kind: Kind = FREE_TEXT,
        *,
        secret: bool = False,
    ) -> None:
        self.attribute, self.names, self.default, self.says = attribute, names, default, says
        self.kind, self.secret = kind, secret
        value = kind.parse(default) if kind.converts and isinstance(default, str) else default
        self.value: Value = default if value is None else value
        bare = [name for name in names if not name.startswith(PREFIX)]
        self._spellings = names
        if bare:
            prefixed = [PREFIX + name if name in bare else name for name in names]
            self._spellings = (*prefixed, *bare)

    def spellings(self) -> tuple[str, ...]:
        """Return every variable that sets this, in the order of precedence."""
        return self._spellings

    @property
    def valid_is_limited(self) -> bool:
        """False for free text."""
        return self.kind is not FREE_TEXT

    def text_of(self, value: Value) -> str:
        """Return the text of a variable for a value."""
        kind = self.kind
        if isinstance(kind, Switch):
            return next(word for word in kind.words if (word == kind.on) is value)
        if isinstance(kind, SomeOf) and isinstance(value, frozenset):
            return ",".join(word for word in kind.words if word in value)
        return str(value)
