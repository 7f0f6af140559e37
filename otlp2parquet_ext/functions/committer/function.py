"""The committer as a Lambda function: an event of the inbox in, commits out.

The handler is `otlp2parquet_ext.functions.committer.function.handler`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.steady_deadline import SteadyDeadline
from otlp2parquet_ext.functions.committer.events import read_event
from otlp2parquet_ext.functions.committer.opening import open_places
from otlp2parquet_ext.functions.committer.sweeping import Options
from otlp2parquet_ext.functions.committer.tables import care_for_all, commit_all, together
from otlp2parquet_ext.functions.relay.opening import form_waiting, open_relay
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.destinations.raw_segment import SUFFIX
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otlp2parquet_ext.functions.committer.events import Wake
    from otlp2parquet_ext.functions.committer.opening import TableLocation
    from otlp2parquet_ext.functions.committer.work import Done
    from otlp2parquet_ext.functions.lambda_context import LambdaContext
    from otlp2parquet_ext.functions.relay.location import RelayLocation

MARGIN_MS = 2_000
"""Time before Lambda's timeout for the response, and for a request that is late."""

SWEEP_EVERY_MS = 86_400_000


class CommitterError(Exception):
    """Some files in an event are still not visible; Lambda invokes the function again."""


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Commit all waiting files, for any event.

    Args:
        event: from SQS (with partial batch responses), S3, EventBridge, SNS or a schedule.
        context: Lambda's context object.

    Returns:
        For a queue, the messages whose files are still not visible; else the numbers of committed
        files and rows.

    Raises:
        CommitterError: an event without a queue names files that are still not visible.
        DestinationError: the settings name no table.
    """
    deadline_ms = now_ms() + context.get_remaining_time_in_millis() - MARGIN_MS
    return answer(_places(), event, deadline_ms, _relay())


@cache
def _places() -> tuple[TableLocation, ...]:
    """Open the tables once for the life of an environment, to keep connections and caches."""
    try:
        return open_places(os.environ)
    except DestinationError:
        if _relay() is None:
            raise
        return ()  # plain files, which only raw segments need a committer for


@cache
def _relay() -> RelayLocation | None:
    return open_relay(os.environ)


def answer(
    places: Sequence[TableLocation],
    event: object,
    deadline_ms: int,
    relay: RelayLocation | None = None,
) -> dict[str, Any]:
    """See `handler`.

    Args:
        places: the tables and their inboxes.
        event: the event from Lambda.
        deadline_ms: Unix ms.
        relay: the location of raw segments; None if there can be none.
    """
    deadline, wake = SteadyDeadline(deadline_ms), read_event(event)
    if wake.foreign:
        log("warning", f"{wake.foreign} messages of the queue name no object and are ignored")
    formed = form_waiting(relay, deadline.unix_ms())
    places = [place for place in places if formed.files or _is_meant(place, wake)]
    dones = commit_all(places, deadline.unix_ms())
    done, left = together(dones), _left(places, wake, dones)
    if formed.problem:
        done.problem = done.problem or formed.problem
    if not formed.empty and relay is not None:
        left |= _raw_left(relay, wake)
    if done.problem:
        log("error", f"{done.problem}; {done.files} files were committed before")
    if wake.queued:
        failed = [{"itemIdentifier": id_} for id_, names in wake.messages.items() if names & left]
        _care(places, deadline.unix_ms())
        return {"batchItemFailures": failed}
    if wake.names & left or (done.problem and not wake.names):
        if done.empty:  # only unreadable entries are left, which must not stop maintenance
            _care(places, deadline.unix_ms())
        raise CommitterError(f"{done.problem}; {done.files} files were committed before")
    _care(places, deadline.unix_ms())
    aside = {"aside": done.aside} if done.aside else {}
    files = done.files if places else formed.files
    return {"files": files, "rows": done.rows, "snapshots": done.snapshots, **aside}


def _raw_left(relay: RelayLocation, wake: Wake) -> frozenset[str]:
    """Return the event's raw segments that still wait."""
    raw = frozenset(name for name in wake.named_keys if name.endswith(SUFFIX))
    if not raw:
        return raw
    try:
        waiting = {segment.name.path.rpartition("/")[2] for segment in relay.folder.waiting()}
    except StorageError:
        return raw
    return raw & waiting


def _is_meant(place: TableLocation, wake: Wake) -> bool:
    """Return whether an event concerns a table: listing all inboxes each time costs requests."""
    return place.is_first or not place.apart or not wake.named_keys or place.table in wake.tables


def _left(places: Sequence[TableLocation], wake: Wake, dones: Sequence[Done]) -> frozenset[str]:
    """Return the event's descriptors that are still in an inbox."""
    named_keys = wake.named_keys
    if not named_keys:
        return frozenset()
    left: set[str] = set()
    for place, done in zip(places, dones, strict=True):
        if not done.empty:
            try:
                left.update(place.inbox.entries())
            except StorageError:
                return named_keys
    return named_keys & left


def _care(places: Sequence[TableLocation], deadline_ms: int) -> None:
    """Maintain the tables in the time left, if the settings ask for it."""
    if not places:
        return
    settings = places[0].settings
    if not settings.maintain:
        return
    sweeping = Options(every_ms=SWEEP_EVERY_MS) if settings.sweep else None
    try:
        for _, cared in care_for_all(places, deadline_ms, sweeping=sweeping):
            for problem in cared.problems:
                log("warning", problem)
    except Exception as error:  # noqa: BLE001 - committed files must not be reported as failed
        log("error", f"the care of the tables ended with a bug of ours: {quote(repr(error))}")
