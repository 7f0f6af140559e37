"""Commit what waits in an inbox: many files in each snapshot, until it is empty or time is up.

    take --> is each file what its descriptor says? --> one snapshot --> remove --> ...

Any number of committers may do this at once. One that is too late finds the names in the table's
ledger and adds none of them; it costs a manifest, and nothing else. Killed at any point, the next
one finishes: a descriptor goes only after its snapshot is known to be there.
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
"""Measured (decisions/0007): more make no difference to the time a file takes."""

LEAST_MS = 1_000
"""A snapshot that could take longer than what is left is not begun."""


class Done(msgspec.Struct):
    """What was done.

    Attributes:
        files, rows: that were taken out of the inbox, for they are visible.
        snapshots: in how many commits.
        aside: descriptors that cannot be committed, put out of the way.
        empty: nothing was left when it ended.
        problem: why it ended before; empty otherwise.
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
    """Commit what waits, oldest first.

    Args:
        place: the table and its inbox.
        deadline_ms: Unix ms; by then it has ended, but for the last request.
        limit: files at most; None for all there are.
        per_snapshot: files in one snapshot, n > 0.
        progress: told after each snapshot.

    Returns:
        What was done. Nothing is raised: a problem leaves things as they are, for a later call.
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
        done.problem = f"others commit to the table all the time: {error}"
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
    # What is good comes first: it must not wait for a role that may not put aside the rest.
    place.inbox.set_aside(aside, threads=place.threads)
    done.aside += len(aside)
    done.empty = not (files or aside) and deadline.left_ms() > 0
    if done.empty and taken.unread:
        done.problem = f"{len(taken.unread)} entries of the inbox stay unread: {taken.unread[0]}"
