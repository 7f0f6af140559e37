"""What one variable is: its spellings, its range, how its text is read.

Loaded before the first `next`: imports nothing.
"""

from __future__ import annotations

PREFIX = "OTLP2PARQUET_"


class Setting:
    """One variable: how it is spelled, what it may hold, what it means.

    Args:
        attribute: its name in `Settings`.
        names: variables that set it, the first present wins; a name without the prefix is also
            read with it, and the prefixed one wins.
        default: used when no variable is present or the value is bad.
        says: one sentence for the docs.
        unit: of a whole number, "" for text.
        low, high: inclusive range of a whole number.
        choices: legal words, () for free text.
        many: the value is a comma list of `choices`.
        memory_mb: memory of a function that the default fits; a larger value needs as much more.
            0: the memory sets no bound.
        secret: free text that nobody may read anywhere.
    """

    __slots__ = (
        "attribute", "choices", "default", "high", "low", "many", "memory_mb", "names", "says",
        "secret", "unit",
    )  # fmt: skip

    def __init__(
        self,
        attribute: str,
        names: tuple[str, ...],
        default: int | str,
        says: str,
        *,
        unit: str = "",
        low: int = 0,
        high: int = 0,
        choices: tuple[str, ...] = (),
        many: bool = False,
        memory_mb: int = 0,
        secret: bool = False,
    ) -> None:
        self.attribute, self.names, self.default, self.says = attribute, names, default, says
        self.unit, self.low, self.high, self.choices, self.many = unit, low, high, choices, many
        self.memory_mb, self.secret = memory_mb, secret

    def spellings(self) -> tuple[str, ...]:
        """Return every variable that sets this, in the order in which they are looked at."""
        prefixed = tuple(n if n.startswith(PREFIX) else PREFIX + n for n in self.names)
        return prefixed + tuple(n for n in self.names if not n.startswith(PREFIX))

    @property
    def valid_is_limited(self) -> bool:
        """False for free text."""
        return isinstance(self.default, int) or bool(self.choices)

    def most(self, memory_mb: str) -> int:
        """Return the largest number that a function of `memory_mb` has the memory for.

        A malformed size, for example "" where there is no Lambda, bounds nothing.
        """
        known_mb = int(memory_mb[:15]) if memory_mb.isascii() and memory_mb.isdigit() else 0
        if not (self.memory_mb and known_mb and isinstance(self.default, int)):
            return self.high
        return max(self.default, self.default * known_mb // self.memory_mb)

    def expected(self) -> str:
        """Say in words what is valid."""
        if isinstance(self.default, int):
            unit = f" of {self.unit}" if self.unit else ""
            return f"a whole number{unit} from {self.low} to {self.high}"
        words = ", ".join(self.choices)
        return f"a comma list of {words}" if self.many else f"one of {words}"

    def parse(self, text: str) -> int | str | None:
        """Return the value `text` stands for, None when it is not valid."""
        text = text.strip()
        if isinstance(self.default, int):
            if not (text.isascii() and text.isdigit() and len(text) <= 15):
                return None
            return int(text) if self.low <= int(text) <= self.high else None
        if not self.choices:
            return text
        words = [w.strip().lower() for w in text.split(",")] if self.many else [text.lower()]
        return ",".join(words) if all(w in self.choices for w in words) else None
