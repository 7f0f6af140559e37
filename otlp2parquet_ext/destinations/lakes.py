"""Each kind of Iceberg destination put together from its parts; nothing is opened yet.

kind          data files              catalog
sqlite        a folder                lean append, one file
glue          the URL's warehouse     lean append, Glue's own API
s3tables      where the table lies    lean append, Iceberg REST, signed
rest          where the table lies    lean append, Iceberg REST
catalog       the warehouse, or       PyIceberg
              where the table lies
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from otlp2parquet_ext.destinations.access import Access
from otlp2parquet_ext.destinations.address import AddressError, parse
from otlp2parquet_ext.iceberg import CommitError
from otlp2parquet_ext.iceberg.inbox import Inbox, NoInbox
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.storage.lazily import LazyStorage
from otlp2parquet_ext.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otlp2parquet_ext.destinations.address import Address
    from otlp2parquet_ext.iceberg import CommitTable
    from otlp2parquet_ext.iceberg.rest_catalog import RestCatalog
    from otlp2parquet_ext.settings import Settings
    from otlp2parquet_ext.storage import Storage

LOCATION_MS = 10_000
"""What a catalog may take to say where a table lies."""

MANY = 1_000_000
LOWER_CASE = frozenset({"glue", "s3tables"})


class Parts(NamedTuple):
    """What a lake is made of.

    Attributes:
        storage: below which data files go.
        inbox: where descriptors wait.
        open_table: opens the table in its catalog, always the same one.
        lower_case: how the table's columns are named.
    """

    storage: Storage
    inbox: Inbox
    open_table: Callable[[], CommitTable]
    lower_case: bool


class Terms(TypedDict):
    """How to commit: see `LeanTable`."""

    create: bool
    lower_case: bool
    conflicts_borne: int


class _Order(NamedTuple):
    """What is asked for.

    Attributes:
        address: the destination.
        settings: names of the table, and who commits.
        environ: variables of the process.
        terms: how to commit.
    """

    address: Address
    settings: Settings
    environ: Mapping[str, str]
    terms: Terms

    @property
    def name(self) -> tuple[str, str]:
        """Namespace and table."""
        namespace = self.address.place if self.address.kind == "glue" else self.settings.namespace
        return namespace, self.settings.table_logs


def parts(
    address: Address, settings: Settings, environ: Mapping[str, str], *, patient: bool = False
) -> Parts:
    """Put together a lake.

    Args:
        address: the destination; its kind is none of `file` and `s3`.
        settings: see `Settings`.
        environ: variables of the process: credentials, regions, endpoints.
        patient: commit again and again until the deadline, as a committer does; an environment
            leaves its files in the inbox at the first conflict.

    Raises:
        AddressError: the inbox's address is malformed, or one is needed and there is none.
    """
    lower_case = settings.column_case == "lower" or (
        settings.column_case == "auto" and address.kind in LOWER_CASE
    )
    terms = Terms(
        create=settings.create_table == "on",
        lower_case=lower_case,
        conflicts_borne=MANY if patient else 0,
    )
    order = _Order(address, settings, environ, terms)
    storage, open_table = KINDS[address.kind](order)
    storage, inbox = _inbox(order, storage)
    return Parts(storage, inbox, open_table, lower_case)


def _inbox(order: _Order, storage: Storage) -> tuple[Storage, Inbox]:
    """Return where data files go and where their descriptors wait."""
    settings, kind = order.settings, order.address.kind
    if not settings.inbox:
        if kind != "s3tables":
            return storage, Inbox(storage)
        if settings.commit == "inbox":
            raise AddressError(
                "OTLP2PARQUET_COMMIT='inbox' needs OTLP2PARQUET_INBOX=s3://bucket/prefix: in a "
                "table bucket no inbox can be, for it neither lists nor deletes objects"
            )
        return storage, NoInbox(storage)
    address = parse(settings.inbox, "OTLP2PARQUET_INBOX")
    if address.kind not in ("s3", "file"):
        raise AddressError(f"OTLP2PARQUET_INBOX={settings.inbox!r}: expected s3://… or file:///…")
    access = Access(order.environ, address.options)
    root = f"s3://{address.place}" if address.kind == "s3" else address.place
    own = access.storage(f"{root}/{'/'.join(order.name)}")
    if settings.commit == "inbox" and kind != "s3tables":
        return own, Inbox(own)  # whoever only stores needs no catalog, and no other permission
    return storage, Inbox(own, storage)


def _once(open_table: Callable[[], CommitTable]) -> Callable[[], CommitTable]:
    """Return a function that opens a table once, whichever thread asks first."""
    opened: list[CommitTable] = []
    opening = threading.Lock()

    def once() -> CommitTable:
        with opening:
            if not opened:
                opened.append(open_table())
            return opened[0]

    return once


def _where(open_table: Callable[[], CommitTable], access: Access) -> Storage:
    """Return a storage that lies where the table does."""

    def find() -> Storage:
        deadline_ms = time.time_ns() // 1_000_000 + LOCATION_MS
        try:
            return access.storage(open_table().location(deadline_ms))
        except CommitError as error:
            raise StorageError(f"where the table lies is not known: {error}") from error

    return LazyStorage(find)


def _sqlite(order: _Order) -> tuple[Storage, Callable[[], CommitTable]]:
    database = Path(order.address.place)
    warehouse = Path(order.address.options.get("warehouse", database.parent / "warehouse"))
    location = warehouse.joinpath(*order.name)

    def open_table() -> CommitTable:
        # Storing a file needs no catalog.
        from otlp2parquet_ext.iceberg.lean import sqlite_table  # noqa: PLC0415

        return sqlite_table(
            database,
            location,
            *order.name,
            create=order.terms["create"],
            conflicts_borne=order.terms["conflicts_borne"],
        )

    return LocalStorage(location), _once(open_table)


def _glue(order: _Order) -> tuple[Storage, Callable[[], CommitTable]]:
    options = order.address.options
    access = Access(order.environ, options, "glue")
    location = "/".join((options["warehouse"].rstrip("/"), *order.name))

    def open_table() -> CommitTable:
        from otlp2parquet_ext.iceberg.glue_catalog import GlueName  # noqa: PLC0415
        from otlp2parquet_ext.iceberg.lean import glue_table  # noqa: PLC0415

        endpoint = access.endpoint("glue") or f"https://glue.{access.region}.amazonaws.com"
        return glue_table(
            access.aws("glue"),
            access.everything_like(location),
            GlueName(endpoint, *order.name, options.get("catalog-id", "")),
            location=location,
            region=access.region,
            **order.terms,
        )

    return access.storage(location), _once(open_table)


def _s3tables(order: _Order) -> tuple[Storage, Callable[[], CommitTable]]:
    access = Access(order.environ, order.address.options, "s3tables")

    def open_table() -> CommitTable:
        from otlp2parquet_ext.iceberg import lean, signing  # noqa: PLC0415

        arn = order.address.place
        wanted = signing.table_bucket(arn, *order.name, access.endpoint("s3tables"))
        assert wanted is not None  # the address was checked
        signed = signing.Signing(signing.S3_TABLES, arn.split(":")[3])
        catalog = lean.signed_catalog(access.aws(*signed), wanted, signed)
        # The region of the table bucket is that of its files.
        return _rest_table(order, access.at(signed.region), catalog)

    once = _once(open_table)
    return _where(once, access), once


def _rest(order: _Order) -> tuple[Storage, Callable[[], CommitTable]]:
    options = order.address.options
    access = Access(order.environ, options)

    def open_table() -> CommitTable:
        from otlp2parquet_ext.iceberg import lean, signing  # noqa: PLC0415
        from otlp2parquet_ext.iceberg.rest_client import RestTable  # noqa: PLC0415

        warehouse = options.get("warehouse", "")
        wanted = RestTable(order.address.place, warehouse, *order.name)
        signed = signing.signing(
            wanted.uri,
            warehouse,
            name=options.get("signing-name", ""),
            region=options.get("signing-region", ""),
        )
        if signed is not None:
            signed = signed._replace(region=signed.region or access.region)
            return _rest_table(
                order, access, lean.signed_catalog(access.aws(*signed), wanted, signed)
            )
        catalog = lean.bearer_catalog(
            access.client,
            wanted,
            token=order.settings.rest_token,
            credential=order.settings.rest_credential,
            token_uri=options.get("oauth2-server-uri", ""),
            scope=options.get("scope", ""),
        )
        return _rest_table(order, access, catalog)

    once = _once(open_table)
    return _where(once, access), once


def _rest_table(order: _Order, access: Access, catalog: RestCatalog) -> CommitTable:
    """Return a table of a REST catalog, whose files lie where the catalog says."""
    from otlp2parquet_ext.iceberg import lean  # noqa: PLC0415

    def find() -> Storage:
        try:
            table = catalog.load(time.time_ns() // 1_000_000 + LOCATION_MS)
        except CommitError as error:
            raise StorageError(str(error)) from error
        return access.everything_like(table.metadata["location"] if table else "s3://")

    label = ".".join(order.name)
    return lean.rest_table(catalog, LazyStorage(find), label=label, **order.terms)


KINDS: Mapping[str, Callable[[_Order], tuple[Storage, Callable[[], CommitTable]]]] = {
    "sqlite": _sqlite,
    "glue": _glue,
    "s3tables": _s3tables,
    "rest": _rest,
}
