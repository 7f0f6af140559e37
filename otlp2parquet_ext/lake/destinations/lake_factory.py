"""Assemble a lake for each kind of Iceberg destination; opens nothing yet.

kind          data files              catalog
sqlite        a folder                lean append, one file
glue          the URL's warehouse     lean append, Glue's own API
s3tables      the table's location    lean append, Iceberg REST, signed
rest          the table's location    lean append, Iceberg REST
catalog       the warehouse, or       PyIceberg
              the table's location
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.destinations.access import Access
from otlp2parquet_ext.lake.destinations.address import AddressError, parse
from otlp2parquet_ext.lake.destinations.lake_spec import LakeSpec, Made, once, where
from otlp2parquet_ext.lake.destinations.rest_lakes import rest, s3_tables
from otlp2parquet_ext.lake.iceberg.commit.inbox import Inbox, NoInbox
from otlp2parquet_ext.lake.iceberg.commit.terms import MANY, Terms
from otlp2parquet_ext.lake.storage.lazily import LazyStorage
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.common.settings.settings import Settings
    from otlp2parquet_ext.lake.destinations.address import DestinationAddress
    from otlp2parquet_ext.lake.iceberg.commit.table import CommitTable
    from otlp2parquet_ext.lake.storage.storage import Storage


class Parts(NamedTuple):
    """The parts of a lake.

    Attributes:
        storage: storage of the data files.
        inbox: inbox of the descriptors.
        open_table: opens the table in its catalog; each call returns the same object.
        lower_case: the table's columns have names in lower case.
        label: the table's name, for messages.
        apart: the inbox can be read even if the table does not exist.
    """

    storage: Storage
    inbox: Inbox
    open_table: Callable[[], CommitTable]
    lower_case: bool
    label: str
    apart: bool


def parts(
    address: DestinationAddress,
    settings: Settings,
    environ: Mapping[str, str],
    *,
    retries_commits: bool = False,
    table: str = "logs",
    access: Access | None = None,
) -> Parts:
    """Assemble the parts of one table's lake.

    Args:
        address: the destination; its kind is not `file` or `s3`.
        settings: see `Settings`.
        environ: environment variables of the process: credentials, regions, endpoints.
        retries_commits: retry a commit until the deadline, as a committer does; an environment
            leaves its files in the inbox at the first conflict.
        table: the table's key in `TABLES`.
        access: an `Access` whose connections and credentials the lake shares; None for its own.

    Raises:
        AddressError: the inbox's address is malformed, or the lake needs one and it is not set.
    """
    lower_case = settings.column_case == "lower" or (
        settings.column_case == "auto" and address.lower_case
    )
    terms = Terms(
        create=settings.create_table,
        lower_case=lower_case,
        most_conflicts=MANY if retries_commits else 0,
        snapshots_kept=settings.snapshots_kept,
        in_table_bucket=address.in_table_bucket,
    )
    order = LakeSpec(address, settings, environ, terms, access or Access(environ, {}), table)
    storage, open_table = KINDS[address.kind](order)
    apart = bool(settings.inbox) or not isinstance(storage, LazyStorage)
    storage, inbox = _inbox(order, storage)
    return Parts(storage, inbox, open_table, lower_case, ".".join(order.name), apart)


def _inbox(order: LakeSpec, storage: Storage) -> tuple[Storage, Inbox]:
    """Return the storage of the data files and the inbox of their descriptors."""
    settings, in_table_bucket = order.settings, order.address.in_table_bucket
    if not settings.inbox:
        if not in_table_bucket:
            return storage, Inbox(storage, columns=order.columns)
        if settings.commit == "inbox":
            raise AddressError(
                "OTLP2PARQUET_COMMIT='inbox' needs OTLP2PARQUET_INBOX=s3://bucket/prefix: in a "
                "table bucket no inbox can be, because it neither lists nor deletes objects"
            )
        return storage, NoInbox(storage)
    address = parse(settings.inbox, "OTLP2PARQUET_INBOX")
    if address.kind not in ("s3", "file"):
        raise AddressError(
            f"OTLP2PARQUET_INBOX={shown(settings.inbox)!r}: expected s3://… or file:///…"
        )
    access = order.access.having(address.options)
    root = f"s3://{address.place}" if address.kind == "s3" else address.place
    own = access.storage(f"{root}/{'/'.join(order.name)}")
    if settings.commit == "inbox" and not in_table_bucket:
        # An environment that only stores needs no catalog and no permission for it.
        return own, Inbox(own, columns=order.columns)
    return storage, Inbox(own, storage, order.columns)


def _sqlite(order: LakeSpec) -> Made:
    database = Path(order.address.place)
    warehouse = Path(order.address.options.get("warehouse", database.parent / "warehouse"))
    location = warehouse.joinpath(*order.name)

    def open_table() -> CommitTable:
        # Storing a file needs no catalog.
        from otlp2parquet_ext.lake.iceberg.open_table import sqlite_table  # noqa: PLC0415

        return sqlite_table(
            database,
            location,
            *order.name,
            columns=order.columns,
            terms=order.terms,
        )

    return Made(LocalStorage(location), once(open_table))


def _glue(order: LakeSpec) -> Made:
    options = order.address.options
    access = order.access.having(options, "glue")
    location = "/".join((options["warehouse"].rstrip("/"), *order.name))

    def open_table() -> CommitTable:
        from otlp2parquet_ext.lake.iceberg.catalogs.glue_catalog import GlueName  # noqa: PLC0415
        from otlp2parquet_ext.lake.iceberg.open_table import glue_table  # noqa: PLC0415

        endpoint = access.endpoint("glue") or f"https://glue.{access.region}.amazonaws.com"
        return glue_table(
            access.aws("glue"),
            access.everything_like(location),
            GlueName(endpoint, *order.name, options.get("catalog-id", "")),
            location=location,
            region=access.region,
            columns=order.columns,
            terms=order.terms,
        )

    return Made(access.storage(location), once(open_table))


def _catalog(order: LakeSpec) -> Made:
    from otlp2parquet_ext.lake.iceberg.catalogs import pyiceberg_config  # noqa: PLC0415

    name, options = order.address.place, order.address.options
    properties = pyiceberg_config.catalog_properties(name, order.environ)
    warehouse = options.get("warehouse", properties.get(pyiceberg_config.WAREHOUSE, ""))
    location = pyiceberg_config.table_location({"warehouse": warehouse}, *order.name)
    access = order.access.having(options)

    def open_table() -> CommitTable:
        from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_catalog import catalog_table  # noqa: PLC0415

        return catalog_table(
            name,
            *order.name,
            order.environ,
            columns=order.columns,
            location=location,
            terms=order.terms,
        )

    def files(address: str) -> Storage:
        if not address.startswith("s3"):
            return access.storage(address)
        from otlp2parquet_ext.lake.iceberg.catalogs.pyiceberg_s3 import s3_storage  # noqa: PLC0415

        root = address.partition("://")[2]
        return s3_storage(properties, order.environ, access.client, root)

    opened = once(open_table)
    # PyIceberg takes seconds to find the location at 128 MB; a `warehouse` in the URL avoids it.
    return Made(where(opened, files) if location is None else files(location), opened)


KINDS: Mapping[str, Callable[[LakeSpec], Made]] = {
    "sqlite": _sqlite,
    "glue": _glue,
    "s3tables": s3_tables,
    "rest": rest,
    "catalog": _catalog,
}
