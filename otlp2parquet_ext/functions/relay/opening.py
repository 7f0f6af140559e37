"""Open the folder of raw segments, and the destination of rows, without a request yet."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.relay.folder import RelayFolder
from otlp2parquet_ext.functions.relay.location import Formed, RelayLocation
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import choose, names
from otlp2parquet_ext.lake.destinations.destination_list import lake_of, parse_all
from otlp2parquet_ext.lake.destinations.relay import relay_storage
from otlp2parquet_ext.lake.iceberg.commit.handle import now_ms
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.lake.destinations.destination import Destination

THREADS = 32
"""Number of parallel requests to a remote storage."""


def open_relay(environ: Mapping[str, str]) -> RelayLocation | None:
    """Return the location of a destination's raw segments; None if it cannot have any.

    Args:
        environ: environment variables; `OTLP2PARQUET_COMMITTER_DESTINATION` has precedence.
    """
    own = environ.get("OTLP2PARQUET_COMMITTER_DESTINATION", "").strip()
    variables = {**environ, "OTLP2PARQUET_COMMIT": "inbox"}
    settings, _ = load(variables | ({"OTLP2PARQUET_DESTINATION": own} if own else {}))
    try:
        addresses = parse_all(settings.destination)
        address = lake_of(addresses)
        storage = relay_storage(address, settings, Access(environ, {}))
    except AddressError:
        return None

    @cache
    def open_destination() -> Destination:
        group = choose(settings, environ)
        return group.members[names(addresses)[addresses.index(address)]]

    on_disk = address.kind in ("sqlite", "file") and not settings.inbox
    return RelayLocation(RelayFolder(storage, 1 if on_disk else THREADS), open_destination)


def form_waiting(place: RelayLocation | None, deadline_ms: int) -> Formed:
    """Make files of raw segments if any wait, in two thirds of the time: the rest is for commits.

    Args:
        place: the relay; None where there can be none.
        deadline_ms: Unix ms of the whole run.

    Returns:
        The result. Nothing is raised: files that wait for a commit must not wait for the relay.
    """
    formed = Formed(empty=True)
    if place is None:
        return formed
    until_ms = now_ms() + (deadline_ms - now_ms()) * 2 // 3
    try:
        if place.folder.waiting():
            # The mapping is a fifth of a committer's start.
            from otlp2parquet_ext.functions.relay.forming import form_files  # noqa: PLC0415

            formed = form_files(place, until_ms)
    except StorageError as error:
        formed = Formed(problem=str(error))
    except Exception as error:  # noqa: BLE001 - see above
        log("error", f"raw segments wait for a later run, for a bug of ours: {quote(repr(error))}")
        formed = Formed(problem="raw segments wait for a later run")
    return formed
