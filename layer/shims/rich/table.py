"""The table of `rich`: rows of text."""


class Table:
    """Keeps rows; titles and styles are not kept."""

    def __init__(self, **_style: object) -> None:
        self.rows: list[tuple[str, ...]] = []

    def add_column(self, _title: str) -> None:
        """Ignore a title."""

    def add_row(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)
