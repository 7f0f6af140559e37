"""Several destinations at once: each batch goes to all of them.

    store():  all that are in order  --> who fails is *in trouble*, and owed the batch
    settle(): those it is owed to    --> in order again when nothing is owed to them any more

While one is in trouble the others go on. What is owed stays in the spool, whose owner asks again
now and then, on a thread of its own: a server that hangs keeps nobody waiting. Only when nobody
takes a batch does `store` fail, as it does with a single destination.

At most one of them has commits to make (`listed.py`), so the others' receipts are its own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otlp2parquet_ext.lake.destinations.destination import Batch, Destination

FAILURES = (DestinationError, OSError)


class Several:
    """See the module and `Destination`.

    Args:
        members: by name, as it may be said; two or more.
    """

    def __init__(self, members: Mapping[str, Destination]) -> None:
        self._members = dict(members)
        self._lock = threading.Lock()
        self._troubled: set[str] = set()
        self._owed: dict[str, set[str]] = {}  # by batch

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Stored:
        """See `Destination.store`.

        Raises:
            DestinationError: nobody has it.
        """
        with self._lock:
            skipped = set(self._troubled)
        asked = [name for name in self._members if name not in skipped]
        taken, failed = self._ask(asked, batch, commit_follows=commit_follows)
        if not taken:
            raise next(iter(failed.values()), DestinationError("all are in trouble"))
        self._note(batch.name, skipped | failed.keys(), failed)
        return _together(taken, tuple(sorted(skipped | failed.keys())))

    def settle(self, batch: Batch) -> Stored:
        """Pass a batch to those it is owed to.

        Raises:
            DestinationError: none of them has it now.
        """
        with self._lock:
            owed = self._owed.get(batch.name, set()) & self._members.keys()
        taken, failed = self._ask(sorted(owed), batch)
        self._note(batch.name, set(failed), {})
        if failed and not taken:
            raise next(iter(failed.values()))
        return _together(taken, tuple(sorted(failed)))

    def forget(self, batch_name: str) -> None:
        """Note that a batch is gone, whoever it was owed to."""
        self._note(batch_name, set(), {})

    def _ask(
        self, names: Iterable[str], batch: Batch, *, commit_follows: bool = False
    ) -> tuple[list[Stored], dict[str, DestinationError]]:
        taken, failed = [], {}
        for name in names:
            try:
                taken.append(self._members[name].store(batch, commit_follows=commit_follows))
            except FAILURES as error:
                failed[name] = _described(name, error)
        return taken, failed

    def _note(
        self, batch_name: str, owed: set[str], failed: Mapping[str, DestinationError]
    ) -> None:
        """Keep in mind who is owed a batch; say who got into trouble, and who is out of it."""
        with self._lock:
            if owed:
                self._owed[batch_name] = owed
            else:
                self._owed.pop(batch_name, None)
            still = set().union(*self._owed.values())
            recovered, self._troubled = self._troubled - still, still
        for name, error in failed.items():
            log("error", f"{error}; {name} gets what it is owed later, the others go on")
        for name in recovered:
            log("info", f"{name} has everything it was owed")

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`."""
        return sum(member.commit(deadline_ms) for member in self._members.values())

    def describe(self) -> None:
        """See `Destination.describe`."""
        for member in self._members.values():
            member.describe()

    def warm_up(self) -> None:
        """See `Destination.warm_up`."""
        for member in self._members.values():
            member.warm_up()

    def close(self) -> None:
        """See `Destination.close`."""
        for member in self._members.values():
            member.close()


def _described(name: str, error: Exception) -> DestinationError:
    if isinstance(error, DestinationError):
        return error
    return DestinationError(f"{name}: {type(error).__name__}: {error}")


def _together(stored: Iterable[Stored], owed: tuple[str, ...]) -> Stored:
    stored = list(stored)
    return Stored(
        sum(one.files for one in stored),
        sum(one.size_bytes for one in stored),
        all(one.safe for one in stored),
        owed,
        tuple(lost for one in stored for lost in one.lost),
        # Who has trouble may still take it; twice it would be told to who has it.
        untold=not owed and all(one.untold for one in stored),
    )
