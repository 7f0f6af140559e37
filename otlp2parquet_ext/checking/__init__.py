"""What a destination is, before a function writes to it.

URL --> plain: can a file be written?  |  Iceberg: what tables are there, and do our columns fit?

Tables can be created, by whoever may, so that functions need no right to; tables of `catalog://…`
can be given the columns of ours they lack.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.destinations import DestinationError
from otlp2parquet_ext.destinations.access import Access
from otlp2parquet_ext.destinations.address import AddressError
from otlp2parquet_ext.destinations.choose import PLAIN, checked
from otlp2parquet_ext.destinations.lakes import parts
from otlp2parquet_ext.iceberg import CommitError
from otlp2parquet_ext.iceberg.append import LeanTable
from otlp2parquet_ext.iceberg.supported import fitting, partitioning
from otlp2parquet_ext.settings import load
from otlp2parquet_ext.storage import StorageError
from otlp2parquet_ext.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from otlp2parquet_ext.destinations.address import Address
    from otlp2parquet_ext.destinations.lakes import Parts
    from otlp2parquet_ext.iceberg import CommitTable
    from otlp2parquet_ext.iceberg.format.snapshot import Metadata
    from otlp2parquet_ext.iceberg.matching import Matched
    from otlp2parquet_ext.tables.columns import Column

ERRORS = (AddressError, CommitError, DestinationError, StorageError)
PATIENCE_MS = 60_000
PROBE = "otlp2parquet-ext-check"


def wanted_tables(text: str) -> frozenset[str]:
    """Read a list of tables.

    Raises:
        AddressError: there is no such table.
    """
    names = frozenset(TABLES if text == "all" else (name.strip() for name in text.split(",")))
    if unknown := names - TABLES.keys():
        raise AddressError(
            f"--tables {text}: there is no table {min(unknown)!r}; expected a comma list of "
            f"{', '.join(TABLES)}, or all"
        )
    return names


def check(
    environ: Mapping[str, str],
    wanted: Collection[str] = ("logs",),
    *,
    create: bool = False,
    add_columns: bool = False,
) -> Iterator[str]:
    """Yield what is found out, a line each.

    Args:
        environ: settings and credentials.
        wanted: tables there have to be, of `TABLES`; others are looked at if they are there.
        create: create those that are missing.
        add_columns: add what a table lacks.

    Raises:
        AddressError, CommitError, DestinationError, StorageError: what is wrong.
    """
    settings, problems = load(environ)
    yield from problems
    address = checked(settings)
    if address.kind in PLAIN:
        yield _probe(address, environ)
        return
    access, deadline_ms = Access(environ, {}), time.time_ns() // 1_000_000 + PATIENCE_MS
    for name in TABLES:
        made = parts(address, settings, environ, patient=True, table=name, access=access)
        there = made.open_table().metadata_location(deadline_ms) is not None
        if name in wanted and create and not there:
            made.open_table().location(deadline_ms)
            yield f"table      {made.label} was created"
            there = True
        if there:
            yield from _table(made, TABLES[name], deadline_ms)
            if add_columns:
                yield _add_columns(address, made.open_table(), deadline_ms)
        elif name in wanted:
            who = "the first commit, or --create, makes it"
            yield f"table      {made.label} is not there yet; {who}"
        if there or name in wanted:
            yield _inbox(made)


def _inbox(made: Parts) -> str:
    if not made.inbox.usable:
        return "inbox      there is none"
    return f"inbox      {len(made.inbox.entries())} files wait"


def _probe(address: Address, environ: Mapping[str, str]) -> str:
    """Write a file and take it away again."""
    root = f"s3://{address.place}" if address.kind == "s3" else address.place
    storage = Access(environ, address.options).storage(root)
    storage.put(PROBE, b"")
    storage.delete(PROBE)
    return f"files      can be written below {root}"


def _table(made: Parts, columns: Sequence[Column], deadline_ms: int) -> Iterator[str]:
    table, name = made.open_table(), made.label
    assert isinstance(table, LeanTable)  # there is no other kind
    version = table.handle.catalog.load(deadline_ms, fresh=True)
    if version is None:
        raise CommitError(f"{name} was dropped in this very moment")
    metadata = version.metadata
    partitioning(metadata, columns)
    snapshots = len(metadata.get("snapshots", ()))
    yield f"table      {name} at {metadata['location']}, {snapshots} snapshots"
    yield from _columns(fitting(metadata, columns), metadata)


def _columns(fit: Matched, metadata: Metadata) -> Iterator[str]:
    lacking = ", ".join(column.name for column in fit.missing)
    if lacking:
        yield f"columns    the table lacks {lacking}: kept in the files, not shown"
    elif fit.tag:
        yield "columns    fit under the table's own ids: files are written anew for it"
    else:
        yield f"columns    fit as they are, version {metadata['format-version']}"


def _add_columns(address: Address, table: CommitTable, deadline_ms: int) -> str:
    if address.kind != "catalog":
        raise CommitError(
            "columns are added through PyIceberg: name the catalog in PYICEBERG_CATALOG__… "
            "variables, and check catalog://NAME"
        )
    from otlp2parquet_ext.iceberg.catalogs.pyiceberg_catalog import PyIcebergTable  # noqa: PLC0415 - heavy

    assert isinstance(table, PyIcebergTable)
    left = table.add_columns(deadline_ms).missing
    return "columns    " + ("some are still missing" if left else "all of ours are there now")
