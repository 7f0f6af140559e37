"""Commit to all tables of a namespace in turn, so that they neither wait nor fail together.

tables --one snapshot for each--> again, without finished tables --> … --> a Done for each table
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.committer.care import Cared, care
from otlp2parquet_ext.functions.committer.work import FILES_PER_SNAPSHOT, Done, commit_waiting
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.functions.committer.sweeping import Options


def commit_all(
    places: Sequence[TableLocation],
    deadline_ms: int,
    *,
    limit: int | None = None,
    per_snapshot: int = FILES_PER_SNAPSHOT,
    progress: Callable[[Done], object] = bool,
) -> list[Done]:
    """Commit the waiting files of all tables.

    Args:
        places: n > 0 tables and their inboxes.
        deadline_ms, per_snapshot: see `commit_waiting`.
        limit: most files, of all tables together; None for all files.
        progress: called after each snapshot with the sum of all tables.

    Returns:
        The result for each table. An error is in its `problem`, and is not raised.
    """
    dones, deadline = [Done() for _ in places], SteadyDeadline(deadline_ms)
    going = [n for n, place in enumerate(places) if _may_wait(place, dones[n], deadline)]
    while going:
        for number in tuple(going):
            most = per_snapshot
            if limit is not None:
                most = min(most, limit - sum(done.files for done in dones))
            if most <= 0:
                return dones
            done = commit_waiting(
                places[number], deadline.unix_ms(), limit=most, per_snapshot=per_snapshot
            )
            dones[number] = together([dones[number], done], empty=done.empty)
            progress(together(dones))
            if done.empty or done.problem:
                going.remove(number)
    return dones


def count_waiting(places: Sequence[TableLocation], deadline_ms: int) -> tuple[int, list[str]]:
    """Return the number of waiting files of all tables, and the errors of unreachable tables.

    Raises:
        StorageError: an inbox cannot be listed.
    """
    waiting, problems, deadline = 0, list[str](), SteadyDeadline(deadline_ms)
    for place in places:
        try:
            may_wait = place.may_wait(deadline.unix_ms())
            waiting += len(place.inbox.entries()) if may_wait else 0
        except CommitError as error:
            problems.append(str(error))
    return waiting, problems


def _may_wait(place: TableLocation, done: Done, deadline: SteadyDeadline) -> bool:
    """Return whether files may wait for a table; if not, set `done.empty` or `done.problem`."""
    try:
        done.empty = not place.may_wait(deadline.unix_ms())
    except CommitError as error:
        done.problem = str(error)
    return not (done.empty or done.problem)


def together(dones: Sequence[Done], *, empty: bool | None = None) -> Done:
    """Return the sum of all results, with the first problem."""
    return Done(
        files=sum(done.files for done in dones),
        rows=sum(done.rows for done in dones),
        snapshots=sum(done.snapshots for done in dones),
        aside=sum(done.aside for done in dones),
        empty=all(done.empty for done in dones) if empty is None else empty,
        problem=next((done.problem for done in dones if done.problem), ""),
    )


def care_for_all(
    places: Sequence[TableLocation],
    deadline_ms: int,
    *,
    sweeping: Options | None = None,
    dry_run: bool = False,
) -> Iterator[tuple[TableLocation, Cared]]:
    """Maintain each table that exists; see `care`."""
    deadline = SteadyDeadline(deadline_ms)
    for place in places:
        try:
            table = None if place.is_first else place.open_table()
            if table is not None and table.metadata_location(deadline.unix_ms()) is None:
                continue
        except CommitError as error:
            yield place, Cared(problems=[str(error)])
            continue
        yield place, care(place, deadline.unix_ms(), sweeping=sweeping, dry_run=dry_run)
