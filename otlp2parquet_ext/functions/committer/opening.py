"""Make the tables to commit to, and their inboxes, from the settings; sends no request yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.log import hide
from otlp2parquet_ext.common.settings.settings import load, secrets_in
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.destinations.choose import PLAIN, checked
from otlp2parquet_ext.lake.destinations.destination import DestinationError
from otlp2parquet_ext.lake.destinations.namespace import FIRST
from otlp2parquet_ext.records.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable

THREADS = 32
"""Number of parallel requests to a remote storage, by measurement (decisions/0007)."""


class TableLocation(NamedTuple):
    """A table and its inbox.

    Attributes:
        settings: the settings that name it.
        inbox: inbox of the descriptors.
        open_table: opens the table in its catalog; each call returns the same object.
        threads: number of parallel requests to the storage.
        label: the table's name, for messages.
        table: the last part of the table's name.
        apart: the inbox can be read even if the table does not exist; it lies in a folder with the
            table's name.
        is_first: it is the table of logs, which all functions have.
    """

    settings: Settings
    inbox: Inbox
    open_table: Callable[[], CommitTable]
    threads: int
    label: str = ""
    table: str = ""
    apart: bool = True
    is_first: bool = True

    def may_wait(self, deadline_ms: int) -> bool:
        """Return whether files may wait: an inbox inside a table needs the table.

        Raises:
            CommitError: the catalog does not respond, or refuses.
        """
        known = self.apart or self.is_first
        return known or self.open_table().metadata_location(deadline_ms) is not None


def open_place(environ: Mapping[str, str]) -> TableLocation:
    """Return the first table; see `open_places`."""
    return open_places(environ)[0]


def open_places(environ: Mapping[str, str]) -> tuple[TableLocation, ...]:
    """Return all tables of `OTLP2PARQUET_COMMITTER_DESTINATION`, else of `…_DESTINATION`.

    The tables may not exist yet. The first is that of logs.

    Raises:
        DestinationError: the destination has no commits; the message states what is valid.
    """
    hide(secrets_in(environ))
    # The committer looks in both places, because the environments' files may lie in the table's
    # location or beside the inbox.
    own = environ.get("OTLP2PARQUET_COMMITTER_DESTINATION", "").strip()
    variables = {**environ, "OTLP2PARQUET_COMMIT": "direct"}
    settings, _ = load(variables | ({"OTLP2PARQUET_DESTINATION": own} if own else {}))
    try:
        address = checked(settings)
        if address.kind in PLAIN:
            raise DestinationError(
                f"OTLP2PARQUET_DESTINATION={settings.destination!r}: plain files are visible as "
                "soon as they are stored; only Iceberg tables are committed to"
            )
        from otlp2parquet_ext.lake.destinations.lake_factory import parts  # noqa: PLC0415 - as in `choose`

        access = Access(environ, {})
        all_parts = {
            table: parts(
                address, settings, environ, retries_commits=True, table=table, access=access
            )
            for table in TABLES
        }
    except AddressError as error:
        raise DestinationError(str(error)) from error
    if not all_parts[FIRST].inbox.usable:
        raise DestinationError(
            f"OTLP2PARQUET_DESTINATION={settings.destination!r}: in a table bucket no inbox can "
            "be; set OTLP2PARQUET_INBOX=s3://bucket/prefix, as for the functions"
        )
    threads = 1 if address.kind == "sqlite" else THREADS
    return tuple(
        TableLocation(
            settings,
            made.inbox,
            made.open_table,
            threads,
            made.label,
            settings.table_name(table),
            made.apart,
            is_first=table == FIRST,
        )
        for table, made in all_parts.items()
    )
