"""Rows that the settings exclude: types of events, and records of low severity.

    OTLP2PARQUET_EXCLUDE --exclusion()--> Exclusion.keeps(row), and one line for each bad entry

It is applied after the mapping, so an excluded `platform.start` still opens its invocation's
window. Our own rows about lost and malformed telemetry cannot be excluded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otlp2parquet_ext.records.mapping.mapper import DROPPED, MALFORMED
from otlp2parquet_ext.records.mapping.severity import NUMBERS

if TYPE_CHECKING:
    from otlp2parquet_ext.records.mapping.rows import Row

VARIABLE = "OTLP2PARQUET_EXCLUDE"
_TYPE = re.compile(r"[\w.-]+\*?", re.ASCII)


class Exclusion:
    """The rows to exclude.

    Args:
        types: complete names of event types.
        prefixes: first characters of the names of other event types.
        least_severity: a record with a lower severity number is excluded; one without a severity
            (0) stays.
    """

    def __init__(
        self,
        types: frozenset[str] = frozenset(),
        prefixes: tuple[str, ...] = (),
        least_severity: int = 0,
    ) -> None:
        self._types, self._prefixes, self._least = types, prefixes, least_severity

    def __bool__(self) -> bool:
        """Tell whether anything is excluded."""
        return bool(self._types or self._prefixes or self._least)

    def keeps(self, row: Row) -> bool:
        """Tell whether a row is wanted."""
        name = row.event_name
        if name in (DROPPED, MALFORMED):
            return True
        if name in self._types or name.startswith(self._prefixes):
            return False
        return not 0 < row.severity.number < self._least


EVERYTHING = Exclusion(prefixes=("",))
"""Excludes all rows, except those that cannot be excluded."""


def exclusion(text: str) -> tuple[Exclusion, list[str]]:
    """Read a comma list.

    Returns:
        The exclusion, and one line for each invalid entry, which has no effect. Of several
        severities, the highest counts.
    """
    types: set[str] = set()
    prefixes: list[str] = []
    least = 0
    problems: list[str] = []
    for entry in filter(None, map(str.strip, text.split(","))):
        level = NUMBERS.get(entry[1:].strip().upper(), 0) if entry.startswith("<") else 0
        if level:
            least = max(least, level)
        elif _TYPE.fullmatch(entry) is None:
            problems.append(
                f"{VARIABLE}: {entry!r} is neither the type of an event, for example "
                "platform.extension or platform.*, nor a severity, for example <WARN; it has no "
                "effect"
            )
        elif entry.endswith("*"):
            prefixes.append(entry[:-1])
        else:
            types.add(entry)
    return Exclusion(frozenset(types), tuple(prefixes), least), problems
