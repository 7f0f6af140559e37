"""The Iceberg tables of a namespace: one lake for each table, made with its first rows.

    Batch --store()--> each table's part --commit()--> each table that has waiting files

A batch is safe when all its parts are safe. Tables are committed one after the other, each in its
own snapshot. When a commit fails, the table's files wait in its inbox; the other tables go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.lake.destinations.destination import (
    BusyError,
    DestinationError,
    Need,
    Receipt,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.destinations.lake import Lake

FIRST = "logs"
"""The table that a process commits to before it stores any rows: its inbox may already hold files
of other writers."""


class Namespace:
    """See `Destination`.

    Args:
        open_lake: makes the lake of a table, one of `TABLES`, without I/O.
    """

    def __init__(self, open_lake: Callable[[str], Lake]) -> None:
        self._open_lake = open_lake
        self._lakes: dict[str, Lake] = {}
        self._failing: set[str] = set()

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return frozenset({Need.TABLES})

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`: a table that fails does not stop the others."""
        made: list[Receipt] = []
        errors: list[DestinationError] = []
        for part in batch.parts():
            for name in part.tables:
                # A table whose last commit failed gets a descriptor: the next may fail, too.
                follows = commit_follows and name not in self._failing
                try:
                    made.append(self._lake(name).store(part, commit_follows=follows))
                except DestinationError as error:
                    errors.append(error)
        if errors:
            raise errors[0]
        return Receipt(
            sum(one.files for one in made),
            sum(one.size_bytes for one in made),
            all(one.safe for one in made),
            lost=tuple(lost for one in made for lost in one.lost),
        )

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`.

        Raises:
            BusyError: other writers were faster on all tables.
            DestinationError: the commit failed for all tables, or the waiting files of a table
                could not get a descriptor, so their rows are not safe.
        """
        lakes, committed = self._known(), 0
        failed: dict[str, DestinationError] = {}
        # Failing tables come last: they may use up all the time until the deadline.
        for name in sorted(lakes, key=self._failing.__contains__):
            try:
                committed += lakes[name].commit(deadline_ms)
            except DestinationError as error:
                failed[name] = error
        if len(failed) == len(lakes):
            raise _worst(list(failed.values()))
        for name in failed:
            lakes[name].describe()  # after `commit`, the caller discards the segments
        self._log_changes({name: e for name, e in failed.items() if not isinstance(e, BusyError)})
        return committed

    def _log_changes(self, failed: Mapping[str, DestinationError]) -> None:
        """Log once that a table starts to fail, and once that it works again."""
        for name in failed.keys() - self._failing:
            log("error", f"{failed[name]}; the other tables are committed to")
        for name in self._failing - failed.keys():
            log("info", f"the table of {name} is committed to again")
        self._failing = set(failed)

    def describe(self) -> None:
        """See `Destination.describe`."""
        errors = []
        for lake in self._known().values():
            try:
                lake.describe()
            except DestinationError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def warm_up(self) -> None:
        """See `Destination.warm_up`."""
        for lake in self._known().values():
            lake.warm_up()

    def close(self) -> None:
        """See `Destination.close`."""
        for lake in self._known().values():
            lake.close()

    def _known(self) -> dict[str, Lake]:
        """Return the lakes of all tables that have received rows; at least that of `FIRST`."""
        if not self._lakes:
            self._lake(FIRST)
        return dict(self._lakes)

    def _lake(self, name: str) -> Lake:
        """Return a table's lake.

        Two threads call this. `setdefault` keeps the first lake, so there is one for each table.
        """
        if (lake := self._lakes.get(name)) is None:
            lake = self._lakes.setdefault(name, self._open_lake(name))
        return lake


def _worst(errors: list[DestinationError]) -> DestinationError:
    """Return the error to act on: the first that is no `BusyError`, if there is one."""
    return next((error for error in errors if not isinstance(error, BusyError)), errors[0])
