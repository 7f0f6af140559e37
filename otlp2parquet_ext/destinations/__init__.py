"""Where batches go: one small interface, one module for each kind of destination.

    Batch --store()--> durable --commit()--> visible

*Stored* and *committed* are never confused: after `store` the batch outlives this environment
and its segment may be discarded; after `commit` readers see it. Destinations without a commit of
their own are visible as soon as they are stored.

    choose.py     a URL --> a destination
    hive.py       `file:///…`: plain Parquet in folders by service and hour
    namespace.py  `sqlite:///…`: the Iceberg tables of a namespace
      lake.py     one of them, partitioned by day
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa


class DestinationError(Exception):
    """The destination refused a batch or could not be reached; the batch is kept.

    The message names the destination, the cause and, where there is one, the setting to change.
    """


class BusyError(DestinationError):
    """Other writers were faster: nothing is wrong, and it is tried again a little later."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One sealed segment as tables.

    Attributes:
        name: 32 hex digits that follow from the environment and the bodies it was made of: a
            batch stored twice lands under the same name, and nobody else's does.
        tables: rows by table, the names those of `tables.registry`; only tables with rows.
    """

    name: str
    tables: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Stored:
    """What `store` wrote.

    Attributes:
        files, size_bytes: files that were there already are not counted.
        safe: the rows outlive this environment; else the caller keeps the batch until the next
            `commit` or `describe` has returned.
    """

    files: int
    size_bytes: int
    safe: bool = True


class Destination(Protocol):
    """One place for batches; `store` is called on one thread and `commit` on another."""

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Stored:
        """Make a batch durable; calling it again with the same batch changes nothing.

        Args:
            batch: its rows.
            commit_follows: the caller commits at once, and keeps the batch until then: what only
                serves a later commit can be left out.

        Raises:
            DestinationError: it is not durable.
        """

    def commit(self, deadline_ms: int) -> int:
        """Make visible what is stored; return how many files became so.

        Args:
            deadline_ms: Unix ms; what is not visible by then is left for a later commit.

        Raises:
            BusyError: other writers were faster.
            DestinationError: nothing became visible; what is stored stays stored.
        """

    def describe(self) -> None:
        """Make safe what `store` left to a commit that did not come about.

        Raises:
            DestinationError: it is not safe yet.
        """

    def warm_up(self) -> None:
        """Import and open what the next commit needs, if anything waits for one."""

    def close(self) -> None:
        """Give connections back."""
