"""From the settings to the destination they name; nothing is opened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.destinations.address import AddressError, check_names, parse
from otlp2parquet_ext.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.destinations import Destination
    from otlp2parquet_ext.destinations.address import Address
    from otlp2parquet_ext.settings import Settings

PLAIN = frozenset({"file", "s3"})


def choose(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    patient: bool = False,
    troubled: Callable[[], None] | None = None,
) -> Destination:
    """Return the destination `OTLP2PARQUET_DESTINATION` names.

    Args:
        settings: name it.
        environ: variables of the process: credentials, regions, endpoints.
        patient: whoever commits has time to try again: a committer, not an environment.
        troubled: told of each request that failed, whether it is tried again or not.

    Raises:
        DestinationError: a malformed address or name; says which part is wrong and what is valid.
    """
    # Each kind imports what it needs, and nobody pays for another's libraries.
    try:
        address = checked(settings)
        if address.kind in PLAIN:
            return _plain(address, settings, environ, troubled)
        return _namespace(address, settings, environ, troubled, patient=patient)
    except AddressError as error:
        raise DestinationError(str(error)) from error


def checked(settings: Settings) -> Address:
    """Return the destination's address.

    Raises:
        AddressError: it is malformed, or the name of a table does not suit the catalog.
    """
    address = parse(settings.destination)
    check_names(address, settings.namespace, {name: settings.table_name(name) for name in TABLES})
    return address


def _namespace(
    address: Address,
    settings: Settings,
    environ: Mapping[str, str],
    troubled: Callable[[], None] | None,
    *,
    patient: bool,
) -> Destination:
    from otlp2parquet_ext.destinations.access import Access  # noqa: PLC0415
    from otlp2parquet_ext.destinations.lake import Lake  # noqa: PLC0415
    from otlp2parquet_ext.destinations.lakes import parts  # noqa: PLC0415
    from otlp2parquet_ext.destinations.namespace import Namespace  # noqa: PLC0415

    access = Access(environ, {}, troubled=troubled)

    def open_lake(table: str) -> Lake:
        made = parts(address, settings, environ, patient=patient, table=table, access=access)
        return Lake(
            made.storage,
            made.open_table,
            made.inbox,
            direct=settings.commit == "direct",
            lower_case=made.lower_case,
            table=table,
        )

    return Namespace(open_lake)


def _plain(
    address: Address,
    settings: Settings,
    environ: Mapping[str, str],
    troubled: Callable[[], None] | None,
) -> Destination:
    from otlp2parquet_ext.destinations.access import Access  # noqa: PLC0415
    from otlp2parquet_ext.destinations.hive import Hive  # noqa: PLC0415

    root = f"s3://{address.place}" if address.kind == "s3" else address.place
    storage = Access(environ, address.options, troubled=troubled).storage(root)
    return Hive(storage, lower_case=settings.column_case == "lower")
