"""Open the folder of raw segments, and the destination of rows, without a request yet."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.settings.settings import load
from otlp2parquet_ext.functions.relay.folder import RelayFolder
from otlp2parquet_ext.functions.relay.forming import RelayLocation
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import choose, names
from otlp2parquet_ext.lake.destinations.destination_list import lake_of, parse_all
from otlp2parquet_ext.lake.destinations.relay import relay_storage

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
