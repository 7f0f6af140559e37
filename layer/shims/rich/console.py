"""The console of `rich`: a text being written."""

from typing import Protocol


class Rows(Protocol):
    """A table: rows of text."""

    rows: list[tuple[str, ...]]


class Console:
    """Records what is printed, and prints nothing."""

    def __init__(self, **_how: object) -> None:
        self.lines: list[str] = []

    def print(self, table: Rows) -> None:
        """Record the rows of a table."""
        self.lines += [" ".join(cells) for cells in table.rows]

    def export_text(self) -> str:
        """Return what was recorded."""
        return "\n".join(self.lines)
