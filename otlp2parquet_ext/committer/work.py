"""Commit what waits in an inbox: many files in each snapshot, until it is empty or time is up.

    take --> is each file there? --> one snapshot --> remove --> ...

Any number of committers may do this at once. Whoever is too late finds the names in the table's
ledger and adds none of them; it costs a manifest, and nothing else. Killed at any point, the next
one finishes: a descriptor goes only after its snapshot is known to be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from otlp2parquet_ext.destinations.refit import commit_fitting
from otlp2parquet_ext.iceberg import CommitError, ConflictError, DataFile
from otlp2parquet_ext.iceberg.inbox import MISSING
from otlp2parquet_ext.iceberg.upkeep.handle import now_ms
from otlp2parquet_ext.say import say
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.storage.gather import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otlp2parquet_ext.committer.opening import Place

FILES_PER_SNAPSHOT = 2_000
"""Measured (decisions/0007): more make no difference to the time a file takes."""

LEAST_MS = 1_000
"""A snapshot that could take longer than what is left is not begun."""

TRUSTED_MS = 600_000
"""Age from which a file is looked at before it is committed: a missing one breaks the table."""

MOST = 2**31 - 1


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
    place: Place,
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
    done = Done()
    try:
        while not done.empty and now_ms() + LEAST_MS < deadline_ms:
            most = per_snapshot if limit is None else min(per_snapshot, limit - done.files)
            if most <= 0:
                return done
            _snapshot(place, most, deadline_ms, done)
            progress(done)
        if not done.empty:
            done.problem = "there was no time for more"
    except ConflictError as error:
        done.problem = f"others commit to the table all the time: {error}"
    except (CommitError, StorageError) as error:
        done.problem = str(error)
    return done


def _snapshot(place: Place, most: int, deadline_ms: int, done: Done) -> None:
    """Commit the oldest files that wait."""
    taken = place.inbox.take(most, threads=place.threads)
    files = _without_bad(place, taken)
    done.aside += len(taken) - len(files)
    if files:
        commit_fitting(place.open_table(), place.inbox, files, deadline_ms)
        place.inbox.remove(files)
        done.files += len(files)
        done.rows += sum(file.rows for file in files)
        done.snapshots += 1
    done.empty = not taken


def _without_bad(place: Place, taken: Sequence[DataFile]) -> list[DataFile]:
    """Set aside what would break the table, or the commit of all the others."""
    present_ms = now_ms()

    def good(file: DataFile) -> bool:
        trusted = 0 <= present_ms - file.stored_ms < TRUSTED_MS
        return plausible(file) and (trusted or place.inbox.describes(file))

    verdicts = list(gather(good, taken, place.threads))
    bad = [file for file, fine in zip(taken, verdicts, strict=True) if not fine]
    if bad:
        place.inbox.set_aside(bad)
        say(
            "error",
            f"{len(bad)} files of the inbox are not where they were stored, not as long, or "
            f"described in a way that cannot be, for example {bad[0].path}; their descriptors "
            f"are in {MISSING}/",
        )
    return [file for file, fine in zip(taken, verdicts, strict=True) if fine]


def plausible(file: DataFile) -> bool:
    """Tell whether a descriptor can be written into a manifest; anybody may have edited it."""
    numbers = [file.rows, file.size_bytes]
    if file.statistics is not None:
        found = file.statistics
        for counts in (found.column_sizes, found.value_counts, found.null_value_counts):
            numbers += [*counts.values()]
        numbers += found.split_offsets
        ids = [*found.column_sizes, *found.value_counts, *found.null_value_counts]
        ids += [*found.lower_bounds, *found.upper_bounds]
        if not all(0 <= field_id <= MOST for field_id in ids):
            return False
    return (
        -MOST <= file.day <= MOST
        and file.rows > 0
        and file.size_bytes > 0
        and all(0 <= number < 2**63 for number in numbers)
    )
