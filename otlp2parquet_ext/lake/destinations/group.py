"""All destinations of a function as one: each batch goes to each of them.

    store():      to all members that are not behind --> a receipt names the members that lack it
    redeliver():  to the members that lack it        --> a receipt names those that still lack it

A failing destination does not affect the others. The caller keeps the batch, and sends it again to
the destinations that lack it, on a separate thread: a server that hangs does not delay the others.
`store` fails only when no destination has the batch.

At most one member makes commits (`destination_list.py`). A group has no state for batches: its
caller keeps the list of undelivered ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch, Destination, Need

FAILURES = (DestinationError, OSError)


class DestinationGroup:
    """See the module and `Destination`.

    Args:
        members: one or more destinations, by a name without secrets.
    """

    def __init__(self, members: Mapping[str, Destination]) -> None:
        self.members = dict(members)

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return frozenset().union(*(member.needs for member in self.members.values()))

    def store(
        self,
        batch: Batch,
        *,
        commit_follows: bool = False,
        behind: frozenset[str] = frozenset(),
    ) -> Receipt:
        """See `Destination.store`.

        Args:
            batch: the batch.
            commit_follows: see `Destination.store`.
            behind: members that lack earlier batches. They do not get this one now, because it
                would arrive before the earlier ones; the receipt names them as lacking it.

        Raises:
            DestinationError: no member has it.
        """
        asked = [name for name in self.members if name not in behind]
        taken, failed = self._ask(asked, batch, commit_follows=commit_follows)
        if not taken:
            raise next(iter(failed.values()), DestinationError("all destinations are failing"))
        for name, error in failed.items():
            log("error", f"{error}; {name} gets the batch later; the other destinations continue")
        skipped = behind & self.members.keys()
        return _together(taken, tuple(sorted(skipped | failed.keys())))

    def redeliver(self, batch: Batch, to: Iterable[str]) -> Receipt:
        """Send a batch to members that lack it.

        Raises:
            DestinationError: none of these members accepted it.
        """
        taken, failed = self._ask(sorted(self.members.keys() & set(to)), batch)
        if failed and not taken:
            raise next(iter(failed.values()))
        return _together(taken, tuple(sorted(failed)))

    def _ask(
        self, names: Iterable[str], batch: Batch, *, commit_follows: bool = False
    ) -> tuple[list[Receipt], dict[str, DestinationError]]:
        taken, failed = [], {}
        for name in names:
            try:
                taken.append(self.members[name].store(batch, commit_follows=commit_follows))
            except FAILURES as error:
                failed[name] = _described(name, error)
        return taken, failed

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`."""
        return sum(member.commit(deadline_ms) for member in self.members.values())

    def describe(self) -> None:
        """See `Destination.describe`."""
        for member in self.members.values():
            member.describe()

    def warm_up(self) -> None:
        """See `Destination.warm_up`."""
        for member in self.members.values():
            member.warm_up()

    def close(self) -> None:
        """See `Destination.close`."""
        for member in self.members.values():
            member.close()


def _described(name: str, error: Exception) -> DestinationError:
    if isinstance(error, DestinationError):
        return error
    return DestinationError(f"{name}: {type(error).__name__}: {error}")


def _together(taken: Iterable[Receipt], undelivered: tuple[str, ...]) -> Receipt:
    taken = list(taken)
    return Receipt(
        sum(one.files for one in taken),
        sum(one.size_bytes for one in taken),
        all(one.safe for one in taken),
        undelivered,
        tuple(lost for one in taken for lost in one.lost),
        # While a member lacks the batch, it may still accept the report: a repeat would be a copy.
        report_refused=not undelivered and all(one.report_refused for one in taken),
    )
