"""The table to commit to, and its inbox, from the settings; nothing is asked yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.destinations.address import AddressError
from otlp2parquet_ext.destinations.choose import PLAIN, checked
from otlp2parquet_ext.say import hide
from otlp2parquet_ext.settings import load, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.iceberg import CommitTable
    from otlp2parquet_ext.iceberg.inbox import Inbox
    from otlp2parquet_ext.settings import Settings

THREADS = 32
"""Requests under way at once to a store far away; measured (decisions/0007)."""


class Place(NamedTuple):
    """A table, and where its files wait.

    Attributes:
        settings: that name it.
        inbox: where descriptors wait.
        open_table: opens the table in its catalog, always the same one.
        threads: requests to the storage that are worth having under way at once.
    """

    settings: Settings
    inbox: Inbox
    open_table: Callable[[], CommitTable]
    threads: int


def open_place(environ: Mapping[str, str]) -> Place:
    """Return the table `OTLP2PARQUET_COMMITTER_DESTINATION` or `OTLP2PARQUET_DESTINATION` names.

    Raises:
        DestinationError: it names none that is committed to; says what is valid.
    """
    hide(secrets_in(environ))
    # Whatever the environments do, whoever commits does: their files may lie in the table's
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
        from otlp2parquet_ext.destinations.lakes import parts  # noqa: PLC0415 - as in `choose`

        made = parts(address, settings, environ, patient=True)
    except AddressError as error:
        raise DestinationError(str(error)) from error
    if not made.inbox.usable:
        raise DestinationError(
            f"OTLP2PARQUET_DESTINATION={settings.destination!r}: in a table bucket no inbox can "
            "be; set OTLP2PARQUET_INBOX=s3://bucket/prefix, as for the functions"
        )
    threads = 1 if address.kind == "sqlite" else THREADS
    return Place(settings, made.inbox, made.open_table, threads)
