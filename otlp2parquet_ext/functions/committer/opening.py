"""The tables to commit to, and their inboxes, from the settings; nothing is asked yet."""

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
"""Requests under way at once to a store far away; measured (decisions/0007)."""


class TableLocation(NamedTuple):
    """A table, and where its files wait.

    Attributes:
        settings: that name it.
        inbox: where descriptors wait.
        open_table: opens the table in its catalog, always the same one.
        threads: requests to the storage that are worth having under way at once.
        label: the table's name, for messages.
        table: the last part of that.
        apart: the inbox can be looked into even if there is no table, and lies in a folder of the
            table's name.
        is_first: it is the table every function has.
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
        """Tell whether files may wait: to look into an inbox in a table there has to be one.

        Raises:
            CommitError: the catalog cannot say.
        """
        known = self.apart or self.is_first
        return known or self.open_table().metadata_location(deadline_ms) is not None


def open_place(environ: Mapping[str, str]) -> TableLocation:
    """Return the first table; see `open_places`."""
    return open_places(environ)[0]


def open_places(environ: Mapping[str, str]) -> tuple[TableLocation, ...]:
    """Return all tables of where `OTLP2PARQUET_COMMITTER_DESTINATION` or `…_DESTINATION` points.

    Whether there are such tables nobody knows yet; the first is that of logs.

    Raises:
        DestinationError: it names none that is committed to; says what is valid.
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
