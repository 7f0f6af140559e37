"""Log the properties of a table that are ignored, because they are no valid numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.lake.iceberg.format.table_properties import bad_values

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.iceberg.format.snapshot import Metadata

MOST_LOGGED = 64
"""Most messages about one table, because a writer can set any number of properties."""


class BadValues:
    """Logs each bad value of one table once.

    Args:
        label: the table's name, for messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._logged: set[str] = set()

    def log(self, metadata: Metadata) -> None:
        """Log the bad values that were not logged yet; the commit goes on without them."""
        for problem in bad_values(metadata):
            if problem not in self._logged and len(self._logged) < MOST_LOGGED:
                self._logged.add(problem)
                log("warning", f"{self._label}: {problem}")
