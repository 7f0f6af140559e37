"""`OTLP2PARQUET_COMMIT=relay`: an environment puts its sealed segments without mapping them.

    segment --one PUT--> _relay/segments/<first µs>-<environment>-<batch>.o2p1
    a committer: many segments --> few Parquet files --> the table

The segments lie below the inbox (`OTLP2PARQUET_INBOX`), or below the warehouse or the root of plain
files. That is outside of all tables, so no engine deletes them as orphan files. This module does
not import pyarrow.
See docs/relay.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.address import AddressError, parse
from otlp2parquet_ext.lake.destinations.destination import DestinationError, Need, Receipt
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.access import Access
    from otlp2parquet_ext.lake.destinations.address import DestinationAddress
    from otlp2parquet_ext.lake.destinations.destination import Batch
    from otlp2parquet_ext.lake.storage.storage import Storage


class Relay:
    """See the module and `Destination`.

    Args:
        storage: the folder that holds `_relay`.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def needs(self) -> frozenset[Need]:
        """See `Destination.needs`."""
        return frozenset({Need.SEGMENT})

    def store(self, batch: Batch, *, commit_follows: bool = False) -> Receipt:
        """See `Destination.store`."""
        del commit_follows
        segment = batch.segment()
        try:
            put = self._storage.put(segment.name.path, segment.data)
        except StorageError as error:
            raise DestinationError(str(error)) from error
        return Receipt(int(put.new), put.size_bytes * put.new)

    def commit(self, deadline_ms: int) -> int:
        """See `Destination.commit`: does nothing, for a committer commits."""
        del deadline_ms
        return 0

    def describe(self) -> None:
        """See `Destination.describe`: does nothing, for a stored segment is safe."""

    def warm_up(self) -> None:
        """See `Destination.warm_up`: does nothing, for there are no tables."""

    def close(self) -> None:
        """See `Destination.close`."""


def relay_storage(address: DestinationAddress, settings: Settings, access: Access) -> Storage:
    """Return the folder for the raw segments of a destination.

    Args:
        address: address of a destination with tables or plain files.
        settings: hold the inbox and the namespace.
        access: makes the storage.

    Raises:
        AddressError: the destination's URL names no folder, and no inbox is set.
    """
    if settings.inbox:
        inbox = parse(settings.inbox, "OTLP2PARQUET_INBOX")
        if inbox.kind not in ("s3", "file"):
            raise AddressError(
                f"OTLP2PARQUET_INBOX={shown(settings.inbox)!r}: expected s3://… or file:///…"
            )
        root = f"s3://{inbox.place}" if inbox.kind == "s3" else inbox.place
        return access.having(inbox.options).storage(f"{root}/{_namespace(address, settings)}")
    place = access.having(address.options)
    if address.kind == "s3":
        return place.storage(f"s3://{address.place}")
    if address.kind == "file":
        return place.storage(address.place)
    warehouse = address.options.get("warehouse", "")
    if address.kind == "sqlite" and not warehouse:
        warehouse = f"{address.place.rpartition('/')[0]}/warehouse"
    if address.kind in ("sqlite", "glue") or warehouse.startswith("s3://"):
        return place.storage(f"{warehouse.rstrip('/')}/{_namespace(address, settings)}")
    raise AddressError(
        "OTLP2PARQUET_COMMIT='relay' needs OTLP2PARQUET_INBOX=s3://bucket/prefix: the URL of this "
        "catalog names no folder for raw segments"
    )


def _namespace(address: DestinationAddress, settings: Settings) -> str:
    return address.place if address.kind == "glue" else settings.namespace
