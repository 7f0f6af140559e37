"""Lakes whose catalog is reached over Iceberg's REST protocol: S3 Tables, and all others.

Only the catalog knows a table's location, and sometimes it vends the credentials for its files. The
process asks the catalog once, before it stores the first file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.destinations.lake_spec import (
    LakeSpec,
    Made,
    location_deadline_ms,
    once,
    where,
)
from otlp2parquet_ext.lake.iceberg.model.errors import CommitError
from otlp2parquet_ext.lake.storage.lazily import LazyStorage
from otlp2parquet_ext.lake.storage.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp2parquet_ext.lake.destinations.access import Access
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.storage.storage import Storage


def s3_tables(order: LakeSpec) -> Made:
    """Assemble the lake of a table in a table bucket."""
    access = order.access.having(order.address.options, "s3tables")
    arn = order.address.place
    # The files are in the table bucket's region.
    there = access.at(arn.split(":")[3])

    def open_catalog() -> RestCatalog:
        from otlp2parquet_ext.lake.iceberg import open_table  # noqa: PLC0415
        from otlp2parquet_ext.lake.iceberg.catalogs import signing  # noqa: PLC0415

        wanted = signing.table_bucket(arn, *order.name, access.endpoint("s3tables"))
        assert wanted is not None  # the address was checked
        signed = signing.Signing(signing.S3_TABLES, there.region)
        return open_table.signed_catalog(there.aws(*signed), wanted, signed)

    return _made(order, there, open_catalog)


def rest(order: LakeSpec) -> Made:
    """Assemble the lake of a table in any REST catalog."""
    options = order.address.options
    access = order.access.having(options)

    def open_catalog() -> RestCatalog:
        from otlp2parquet_ext.lake.iceberg import open_table  # noqa: PLC0415
        from otlp2parquet_ext.lake.iceberg.catalogs import signing  # noqa: PLC0415
        from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable  # noqa: PLC0415

        uri, warehouse = order.address.place, options.get("warehouse", "")
        signed = signing.signing(
            uri,
            warehouse,
            name=options.get("signing-name", ""),
            region=options.get("signing-region", ""),
        )
        # A signed client has its own permissions; other clients may need vended credentials.
        vended = options.get("vended", "false" if signed else "true") == "true"
        wanted = RestTable(uri, warehouse, *order.name, vended=vended)
        if signed is not None:
            signed = signed._replace(region=signed.region or access.region)
            aws = access.aws(signed.service, signed.region)
            return open_table.signed_catalog(aws, wanted, signed)
        return open_table.bearer_catalog(
            access.client,
            wanted,
            token=order.settings.rest_token,
            credential=order.settings.rest_credential,
            token_uri=options.get("oauth2-server-uri", ""),
            scope=options.get("scope", ""),
        )

    return _made(order, access, open_catalog)


def _made(order: LakeSpec, access: Access, open_catalog: Callable[[], RestCatalog]) -> Made:
    opened: list[RestCatalog] = []

    def open_table() -> CommitTable:
        from otlp2parquet_ext.lake.iceberg import open_table  # noqa: PLC0415

        catalog = open_catalog()
        opened.append(catalog)
        storage = LazyStorage(lambda: _everything(catalog, access))
        label = ".".join(order.name)
        return open_table.rest_table(
            catalog, storage, label=label, columns=order.columns, terms=order.terms
        )

    open_once = once(open_table)
    return Made(where(open_once, lambda address: _reach(opened[0], access, address)), open_once)


def _everything(catalog: RestCatalog, access: Access) -> Storage:
    """Return a storage for all addresses in the table's metadata.

    Raises:
        StorageError: the catalog does not return the table's location.
    """
    try:
        table = catalog.load(location_deadline_ms())
        location = table.metadata["location"] if table else "s3://"
        return _reach(catalog, access, "s3://" if location.startswith("s3") else "/")
    except CommitError as error:
        raise StorageError(str(error)) from error


def _reach(catalog: RestCatalog, access: Access, address: str) -> Storage:
    """Return a storage at an address, with vended credentials if the catalog vends any."""
    from otlp2parquet_ext.lake.iceberg.catalogs.vended import VendedCredentials, vends  # noqa: PLC0415

    config = catalog.storage_config(location_deadline_ms())
    if address.startswith("s3") and vends(config):
        return access.vended(config, VendedCredentials(catalog.storage_config)).storage(address)
    return access.storage(address)
