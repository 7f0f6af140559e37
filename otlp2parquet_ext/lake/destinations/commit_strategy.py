"""An environment's commit strategy: `OTLP2PARQUET_COMMIT`, unless the catalog forbids it. Pure.

Only PyIceberg can commit to `catalog://NAME`. Importing it takes longer than a shutdown window, so
an environment stores files and descriptors, and a committer commits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.common.settings.settings import Settings
from otlp2parquet_ext.lake.destinations.address import AddressError
from otlp2parquet_ext.lake.iceberg.catalogs import pyiceberg_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otlp2parquet_ext.lake.destinations.address import DestinationAddress


def strategy_problem(addresses: Iterable[DestinationAddress], settings: Settings) -> str:
    """Return a message when the catalog forbids the setting's strategy, else "".

    Args:
        addresses: addresses of the destinations.
        settings: the user's settings, unchanged.
    """
    catalog = next((one.place for one in addresses if one.kind == "catalog"), None)
    if catalog is None or settings.commit != "direct":
        return ""
    return (
        f"OTLP2PARQUET_COMMIT={settings.commit!r}: expected 'inbox' or 'relay' with "
        f"catalog://{catalog}, for importing PyIceberg takes longer than a shutdown window; using "
        "inbox: batches are stored and wait in the inbox for a committer"
    )


def environment_settings(addresses: Iterable[DestinationAddress], settings: Settings) -> Settings:
    """Return the effective settings: a strategy that the catalog forbids becomes `inbox`."""
    if not strategy_problem(addresses, settings):
        return settings
    return Settings({**vars(settings), "commit": "inbox"})


def check_files_have_a_place(
    address: DestinationAddress, settings: Settings, environ: Mapping[str, str]
) -> None:
    """Refuse settings that name no location for data files.

    Only PyIceberg could get the location from the catalog, and an environment does not import it.

    Raises:
        AddressError: the message names the setting to add.
    """
    if address.kind != "catalog" or settings.inbox:
        return
    found = pyiceberg_config.catalog_properties(address.place, environ) | dict(address.options)
    if pyiceberg_config.table_location(found, "", "") is None:
        variable = pyiceberg_config.variable(address.place, pyiceberg_config.WAREHOUSE)
        warehouse = found.get(pyiceberg_config.WAREHOUSE, "")
        raise AddressError(
            f"{variable}={shown(warehouse)!r}: expected s3://bucket/prefix "
            "or file:///path, or OTLP2PARQUET_INBOX=s3://bucket/prefix beside it: the environment "
            "stores files there without asking the catalog; batches are kept until it is set"
        )
