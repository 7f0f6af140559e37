"""`otlp2parquet-ext commit`: runs the committer by hand, from cron, or for a full inbox.

Its options are those of `commands.commit`.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.committer.progress import Progress
from otlp2parquet_ext.functions.committer.sweeping import Options
from otlp2parquet_ext.functions.committer.tables import (
    care_for_all,
    commit_all,
    count_waiting,
    together,
)
from otlp2parquet_ext.functions.committer.work import Done
from otlp2parquet_ext.functions.relay.location import Formed
from otlp2parquet_ext.functions.relay.opening import form_waiting, open_relay
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.storage.storage import StorageError
from otlp2parquet_ext.tools.terminal import show, show_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from otlp2parquet_ext.functions.committer.care import Cared
    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.functions.committer.sweeping import Swept
    from otlp2parquet_ext.functions.relay.location import RelayLocation

DAY_MS = 86_400_000

LEFT, SET_ASIDE = 1, 3
"""Exit statuses: `LEFT`: work is left for a later run. `SET_ASIDE`: all is done, and a person must
check the descriptors that were set aside. The command line itself uses 2 for a wrong option."""


def run(chosen: argparse.Namespace) -> int:
    """Run the command; return its exit status: 0, `LEFT` or `SET_ASIDE`."""
    environ = {**os.environ, "OTLP2PARQUET_DESTINATION": chosen.destination}
    formed = Formed(empty=True)
    try:
        deadline = SteadyDeadline(now_ms() + chosen.seconds * 1_000)
        relay = open_relay(environ)
        places = _places(environ, relay)
        if not chosen.dry_run:
            formed = form_waiting(relay, deadline.unix_ms())
        waiting, problems = count_waiting(places, deadline.unix_ms())
    except (DestinationError, StorageError) as error:
        show_error(error)
        return LEFT
    if chosen.dry_run:
        raw = len(relay.folder.waiting()) if relay is not None else 0
        if raw or not places:
            show(f"{raw} raw segments wait")
        if places:
            show(f"{waiting} files wait in the inbox")
        for problem in problems:
            show_error(problem)
        status = int(bool(problems))
    elif not places:
        status = _show_formed(formed, plain=True)
    else:
        status = _show_formed(formed, plain=False)
        status = _commit(places, chosen, waiting, deadline.unix_ms()) or status
    if places and (chosen.maintain or chosen.sweep):
        status = _care(places, chosen, deadline.unix_ms()) or status
    return status


def _places(environ: Mapping[str, str], relay: RelayLocation | None) -> tuple[TableLocation, ...]:
    """Return the tables; none where plain files are made of raw segments.

    Raises:
        DestinationError: the destination names no tables, and no raw segment waits for it.
    """
    try:
        return open_places(environ)
    except DestinationError:
        if relay is None or not relay.folder.waiting():
            raise
        return ()


def _show_formed(formed: Formed, *, plain: bool) -> int:
    """Show what became of raw segments; return an exit status."""
    if formed.segments or plain:
        where = "visible" if plain else "in the inbox"
        show(f"{formed.segments:,} raw segments became {formed.files:,} files, {where}")
    if formed.problem:
        show_error(formed.problem)
        return LEFT
    return SET_ASIDE if formed.aside else 0


def _commit(
    places: Sequence[TableLocation], chosen: argparse.Namespace, waiting: int, deadline_ms: int
) -> int:
    limit = chosen.limit
    if not chosen.until_empty:
        limit = waiting if limit is None else min(limit, waiting)
    progress = Progress(sys.stderr, waiting if limit is None else limit)
    started_s = time.monotonic()
    dones = commit_all(
        places,
        deadline_ms,
        limit=limit,
        per_snapshot=chosen.per_snapshot,
        progress=progress.show,
    )
    done = together(dones)
    progress.end()
    if done.files or done.aside or not done.problem:
        show(summary(done, time.monotonic() - started_s))
    if done.problem:
        show_error(done.problem)
        return LEFT
    return SET_ASIDE if done.aside else 0


def summary(done: Done, seconds: float) -> str:
    """Return a line about the commit."""
    aside = f"; {done.aside} descriptors were set aside" if done.aside else ""
    if not done.files:
        return f"nothing waited in the inbox{aside}"
    return (
        f"{done.files:,} files of {done.rows:,} rows are in the table, in {done.snapshots} "
        f"snapshots, after {seconds:.1f} s{aside}"
    )


def _care(places: Sequence[TableLocation], chosen: argparse.Namespace, deadline_ms: int) -> int:
    sweeping = Options(
        older_than_ms=int(chosen.older_than_days * DAY_MS),
        delete_strays=chosen.delete_strays,
        dry_run=chosen.dry_run,
    )
    wanted = sweeping if chosen.sweep else None
    failed = False
    for place, cared in care_for_all(places, deadline_ms, sweeping=wanted, dry_run=chosen.dry_run):
        for line in report(cared, dry_run=chosen.dry_run):
            show(line if place.is_first else f"{place.label}: {line}")
        for problem in cared.problems:
            show_error(problem)
        failed = failed or bool(cared.problems)
    return int(failed)


def report(cared: Cared, *, dry_run: bool) -> list[str]:
    """Return the results of the table's maintenance, a line for each part."""
    found = []
    would = " would be" if dry_run else ""
    if (merging := cared.merging) is not None:
        found.append(
            f"manifests: {merging.replaced} of {merging.manifests}{would} merged into "
            f"{merging.written}" + (f" ({merging.why})" if merging.why else "")
        )
    if (cleaned := cared.cleaned) is not None:
        found.append(
            f"expired: {cleaned.manifests} manifests and {cleaned.files} files{would} deleted, "
            f"{cleaned.notes} notes wait" + (f" ({cleaned.why})" if cleaned.why else "")
        )
    if cared.swept is not None:
        found += _swept(cared.swept, would)
    return found


def _swept(swept: Swept, would: str) -> list[str]:
    if swept.why:
        return [f"sweep: {swept.why}"]
    line = (
        f"sweep: of {swept.looked} files {swept.deleted} of {swept.deleted_bytes / 1e6:.1f} MB"
        f"{would} deleted and {swept.adopted}{would} put into the inbox; {swept.left} files of "
        f"rows and {swept.foreign} of unknown names are left"
    )
    if not swept.ended:
        line += "; the next run goes on where this one stopped"
    return [line, *(f"  left: {path}" for path in swept.examples)]


def commit_quietly(environ: Mapping[str, str], seconds: int) -> int:
    """Commit the files in the inbox after a local run; return how many.

    Raises:
        DestinationError: they are still not visible.
    """
    deadline_ms = now_ms() + seconds * 1_000
    relay = open_relay(environ)
    places = _places(environ, relay)
    formed = form_waiting(relay, deadline_ms)
    done = together(commit_all(places, deadline_ms)) if places else Done(files=formed.files)
    if problem := done.problem or formed.problem:
        raise DestinationError(problem)
    return done.files
