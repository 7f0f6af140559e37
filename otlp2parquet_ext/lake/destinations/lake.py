"""An Iceberg table: files first, snapshots second.

    store:  data/Timestamp_day=YYYY-MM-DD/<batch>.parquet, then a descriptor in the inbox
    commit: waiting files --one snapshot--> the table, then their descriptors are deleted

Once the descriptor lies in the inbox, the rows cannot be lost. The next commit makes them visible:
by this process, its successor, another environment, or a committer. When a commit follows at once,
`store` writes no descriptor: the caller keeps the batch until the commit has succeeded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from otlp2parquet_ext.common.hold_limits import steady_ms
from otlp2parquet_ext.common.log import log
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.destinations.destination import (
    BusyError,
    DestinationError,
    Receipt,
)
from otlp2parquet_ext.lake.destinations.few_days import of_few_days
from otlp2parquet_ext.lake.destinations.parquet_file import encode, read_footer
from otlp2parquet_ext.lake.destinations.partition import (
    DAY_US,
    split_by_time,
)
from otlp2parquet_ext.lake.destinations.refit import commit_fitting, fit_of, fitted
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
from otlp2parquet_ext.lake.iceberg.commit.set_aside import Aside
from otlp2parquet_ext.lake.iceberg.commit.trust import Rejection
from otlp2parquet_ext.lake.iceberg.format.bounds import statistics
from otlp2parquet_ext.lake.iceberg.format.schema_match import Matched
from otlp2parquet_ext.lake.iceberg.model.data_file import DataFile
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError, ConflictError
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.records.tables.columns import named
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.storage.storage import Put, Storage

FILES_PER_COMMIT = 100
"""Most files in one commit of an environment: a committer has more time for a fleet's files."""

LOOK_INTERVAL_MS = 300_000
"""Interval between inbox listings while commits are uncontended: one request in five minutes."""

CONTENDED_MS = 30_000
"""Interval between inbox listings after a conflict: other writers leave files there, and may have
committed ours. Measured: a listing after every conflict made all losers read the whole inbox, at
eight requests a file."""

UNCHECKED_MS = 600_000
"""Age from which a commit first checks that a file of this process still exists: a lifecycle rule
may have deleted it, and a missing file breaks the table. A commit checks all files of the inbox."""

INBOX_LOOK_LEAST_MS = 3_000
"""Least time before the deadline for reading the inbox; a shutdown window is too short for it."""


class _Waiting(Struct):
    """A stored file that this process has not seen in a snapshot yet.

    Attributes:
        file: the file.
        described: its descriptor lies in the inbox.
    """

    file: DataFile
    described: bool


class Lake:
    """One table of a namespace.

    Args:
        storage: the table's location.
        open_table: opens the table in its catalog; called with the first commit.
        inbox: the inbox for descriptors; None for one at the table's location.
        direct: this process commits; otherwise it only stores.
        lower_case: write the columns' names in lower case.
        table: the table's key in `TABLES`; rows of other tables are ignored.
    """

    def __init__(
        self,
        storage: Storage,
        open_table: Callable[[], CommitTable],
        inbox: Inbox | None = None,
        *,
        direct: bool = True,
        lower_case: bool = False,
        table: str = "logs",
    ) -> None:
        self._storage = storage
        self._open_table = open_table
        self._table: CommitTable | None = None
        self._inbox = inbox or Inbox(storage)
        self._direct = direct
        self._name = table
        self._columns = TABLES[table]
        self._fit = Matched(named(self._columns, lower_case=lower_case))
        self._waiting: dict[str, _Waiting] = {}
        self._taken: dict[str, list[str]] = {}
        self._looked_ms = -LOOK_INTERVAL_MS
        self._look_interval_ms = LOOK_INTERVAL_MS

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`."""
        later = self._direct and (commit_follows or not self._inbox.usable)
        made = [
            self._store_part(part, later=later)
            for part in batch.parts()
            if self._name in part.tables
        ]
        return Receipt(
            sum(one.files for one in made),
            sum(one.size_bytes for one in made),
            safe=not (made and later),
        )

    def _store_part(self, part: Batch, *, later: bool) -> Receipt:
        files = size_bytes = 0
        rows = of_few_days(part.tables[self._name], self._name, part.received_us)
        try:
            for day, of_day in split_by_time(rows, DAY_US):
                put = self._store_day(part.name, day, of_day, described=not later)
                files, size_bytes = files + put.new, size_bytes + put.new * put.size_bytes
        except StorageError as error:
            raise DestinationError(str(error)) from error
        return Receipt(files, size_bytes)

    def _store_day(self, batch_name: str, day: int, rows: pa.Table, *, described: bool) -> Put:
        """Store the rows of one day, and their descriptor."""
        date = time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))
        path = f"data/Timestamp_day={date}/{batch_name}.parquet"
        fit = self._fit
        data, footer = encode(fitted(rows, fit.columns), fit.columns)
        put = self._storage.put(path, data)
        if not put.new:  # an earlier try wrote it, perhaps for other column ids
            footer = read_footer(self._storage.get(path, put.size_bytes))
            fit = fit_of(footer, self._columns)
        file = DataFile(
            name=f"{batch_name}-{date}",
            path=self._storage.url(path),
            day=day,
            rows=footer.num_rows,
            size_bytes=put.size_bytes,
            stored_ms=put.stored_ms,
            statistics=statistics(footer, fit.columns),
            fields=fit.tag,
        )
        if described:
            self._inbox.put(file)
        if self._direct:
            self._remember(_Waiting(file, described))
        return put

    def _remember(self, waiting: _Waiting) -> None:
        """Keep a file for the next commit; beyond one commit's files, the inbox alone keeps it."""
        if waiting.described and len(self._waiting) >= FILES_PER_COMMIT:
            self._looked_ms = -LOOK_INTERVAL_MS
        else:
            self._waiting[waiting.file.name] = waiting

    def describe(self) -> None:
        """See `Destination.describe`."""
        try:
            for waiting in list(self._waiting.values()):
                if not waiting.described:
                    self._inbox.put(waiting.file)
                    waiting.described = True
        except StorageError as error:
            raise DestinationError(str(error)) from error

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: from time to time it also commits files of the inbox."""
        committed, deadline = 0, SteadyDeadline(deadline_ms)
        try:
            while self._direct and (files := self._next(deadline)):
                table = self._open()
                fit, left_out = commit_fitting(table, self._inbox, files, deadline.unix_ms())
                self._fit = fit or self._fit
                for file in files:
                    if file.name in left_out:
                        self._give_up(file, Rejection(left_out[file.name]))
                self._forget(files)
                committed += len(files) - len(left_out)
        except ConflictError as error:
            self._look_interval_ms = CONTENDED_MS
            raise BusyError(str(error)) from error
        except (StorageError, CommitError) as error:
            raise DestinationError(str(error)) from error
        return committed

    def _next(self, deadline: SteadyDeadline) -> list[DataFile]:
        """Return the files for the next snapshot: our own, then those of the inbox."""
        now_ms = time.time_ns() // 1_000_000
        mine = [waiting.file for waiting in list(self._waiting.values())[:FILES_PER_COMMIT]]
        mine = [
            file
            for file in mine
            if now_ms - file.stored_ms <= UNCHECKED_MS or self._is_still_there(file)
        ]
        may_look = steady_ms() >= self._looked_ms + self._look_interval_ms
        if may_look and deadline.left_ms() >= INBOX_LOOK_LEAST_MS:
            return mine + self._of_others(deadline.unix_ms() - INBOX_LOOK_LEAST_MS)
        return mine

    def _of_others(self, deadline_ms: int) -> list[DataFile]:
        """Return the inbox's files that are not waiting here; set aside bad descriptors."""
        looked_ms = steady_ms()
        taken = self._inbox.take(FILES_PER_COMMIT, deadline_ms=deadline_ms)
        # After a bad descriptor the next listing waits its interval: there may be many of them.
        if taken.aside or taken.unread or len(taken.files) < FILES_PER_COMMIT:
            self._looked_ms, self._look_interval_ms = looked_ms, LOOK_INTERVAL_MS
        if taken.unread:
            unread = f"{len(taken.unread)} entries of the inbox stay unread: {taken.unread[0]}"
            log("warning", unread)
        self._inbox.set_aside(taken.aside)
        self._taken = {}
        for entry, file in (*taken.files, *taken.again):
            self._taken.setdefault(file.name, []).append(entry)
        return [file for _, file in taken.files if file.name not in self._waiting]

    def _forget(self, files: Sequence[DataFile]) -> None:
        """Forget visible files, and delete their descriptors from the inbox."""
        entries = list[str]()
        for file in files:
            mine = self._waiting.pop(file.name, None)
            entries += self._taken.pop(file.name, [])
            if mine is not None and mine.described:
                entries.append(self._inbox.entry_of(mine.file))
        self._inbox.remove(list(dict.fromkeys(entries)))

    def _is_still_there(self, file: DataFile) -> bool:
        """Check one of our files; give it up when it is missing or incomplete."""
        found = self._inbox.look_at(file)
        if isinstance(found, Rejection):
            self._give_up(file, found)
            return False
        return True

    def _give_up(self, file: DataFile, why: Rejection) -> None:
        """Set aside the descriptor of a file that cannot be committed."""
        self._waiting.pop(file.name, None)
        (entry, *_) = self._taken.get(file.name, [self._inbox.entry_of(file)])
        self._inbox.set_aside([Aside(entry, why, msgspec.json.encode(file))])

    def warm_up(self) -> None:
        """See `Destination.warm_up`."""
        if self._direct:
            self._open()

    def _open(self) -> CommitTable:
        if self._table is None:
            self._table = self._open_table()
        return self._table

    def close(self) -> None:
        """See `Destination.close`."""
        if self._table is not None:
            self._table.close()
