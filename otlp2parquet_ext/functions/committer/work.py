"""Commit the files of an inbox, many in each snapshot, until it is empty or time is up.

    take --> compare each file with its descriptor --> one snapshot --> remove --> …

Any number of committers may do this at the same time. A late committer finds the names in the
table's ledger and adds none of them; this costs only a manifest. After a kill at any point, the
next committer finishes, because a descriptor is deleted only after its snapshot has succeeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.lake.destinations.refit import commit_fitting
from otlp2parquet_ext.lake.iceberg.commit.set_aside import Aside
from otlp2parquet_ext.lake.iceberg.commit.trust import Rejection
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError, ConflictError
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.functions.committer.opening import TableLocation

FILES_PER_SNAPSHOT = 2_000
"""Most files in one snapshot. Measured (decisions/0007): more files do not reduce the time for each
file."""

LEAST_MS = 1_000
"""Least time before the deadline for a snapshot to begin."""


class Done(msgspec.Struct):
    """The result of commits.

    Attributes:
        files, rows: numbers of files and rows that are visible now.
        snapshots: number of commits.
        aside: number of descriptors set aside, because they cannot be committed.
        empty: no file waited at the end.
        problem: the reason why the work ended early; "" otherwise.
    """

    files: int = 0
    rows: int = 0
    snapshots: int = 0
    aside: int = 0
    empty: bool = False
    problem: str = ""


def commit_waiting(
    place: TableLocation,
    deadline_ms: int,
    *,
    limit: int | None = None,
    per_snapshot: int = FILES_PER_SNAPSHOT,
    progress: Callable[[Done], object] = bool,
) -> Done:
    """Commit the waiting files, oldest first.

    Args:
        place: the table and its inbox.
        deadline_ms: Unix ms; only the last request may end later.
        limit: most files; None for all files.
        per_snapshot: most files in one snapshot, n > 0.
        progress: called after each snapshot.

    Returns:
        The result. An error is in its `problem`, and is not raised; a later call tries again.
    """
    done, deadline = Done(), SteadyDeadline(deadline_ms)
    try:
        while not done.empty and deadline.left_ms() > LEAST_MS:
            most = per_snapshot if limit is None else min(per_snapshot, limit - done.files)
            if most <= 0:
                return done
            _snapshot(place, most, deadline, done)
            progress(done)
        if not done.empty:
            done.problem = "there was no time for more"
    except ConflictError as error:
        done.problem = f"other writers commit to the table again and again: {error}"
    except (CommitError, StorageError) as error:
        done.problem = str(error)
    return done


def _snapshot(place: TableLocation, most: int, deadline: SteadyDeadline, done: Done) -> None:
    """Commit the oldest files that wait."""
    taken = place.inbox.take(most, threads=place.threads, deadline_ms=deadline.unix_ms())
    files = [waiting.file for waiting in taken.files]
    aside = list(taken.aside)
    if files:
        table = place.open_table()
        _, left_out = commit_fitting(table, place.inbox, files, deadline.unix_ms())
        visible = [file for file in files if file.name not in left_out]
        place.inbox.remove(
            [w.entry for w in (*taken.files, *taken.again) if w.file.name not in left_out]
        )
        aside += [
            Aside(entry, Rejection(left_out[file.name]), msgspec.json.encode(file))
            for entry, file in taken.files
            if file.name in left_out
        ]
        done.files += len(visible)
        done.rows += sum(file.rows for file in visible)
        done.snapshots += bool(visible)
    # After the commit, so that a role without the permission to set aside can still commit.
    place.inbox.set_aside(aside, threads=place.threads)
    done.aside += len(aside)
    done.empty = not (files or aside) and deadline.left_ms() > 0
    if done.empty and taken.unread:
        done.problem = f"{len(taken.unread)} entries of the inbox stay unread: {taken.unread[0]}"
