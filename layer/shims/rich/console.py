"""The console of `rich`: a text being written."""

from rich.table import Table


class Console:
    """Records what is printed, and prints nothing."""

    def __init__(self, **_how: object) -> None:
        self.lines: list[str] = []

    def print(self, table: Table) -> None:
        """Record the rows of a table."""
        self.lines += [" ".join(cells) for cells in table.rows]

    def export_text(self) -> str:
        """Return what was recorded."""
        return "\n".join(self.lines)
