"""The lean append, put together for each catalog it serves.

Each kind imports what it needs, and nobody pays for another's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.iceberg.catalogs.file_catalog import FileCatalog
from otlp2parquet_ext.lake.iceberg.commit.append import LeanTable
from otlp2parquet_ext.lake.iceberg.commit.terms import USUAL, Terms
from otlp2parquet_ext.records.tables.logs import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from otlp2parquet_ext.lake.http.client import Client
    from otlp2parquet_ext.lake.iceberg.catalogs.bearer import BearerTokens
    from otlp2parquet_ext.lake.iceberg.catalogs.glue_catalog import GlueName
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestTable, Sender
    from otlp2parquet_ext.lake.iceberg.catalogs.signing import Signing
    from otlp2parquet_ext.lake.storage.storage import Storage
    from otlp2parquet_ext.records.tables.columns import Column

LOWER_CASE = Terms(lower_case=True)
"""Glue bears no other."""


def sqlite_table(
    database: Path,
    location: Path,
    namespace: str,
    table: str,
    *,
    columns: Sequence[Column] = COLUMNS,
    terms: Terms = USUAL,
) -> LeanTable:
    """Return a table of the SQLite catalog in the file `database`; nothing is opened yet.

    Args:
        database: the catalog.
        location: where a table that is created lies; one that exists lies where it says.
        namespace, table: its name.
        columns: of our files.
        terms: see `LeanTable`.
    """
    from pathlib import Path  # noqa: PLC0415

    from otlp2parquet_ext.lake.iceberg.catalogs.sqlite_catalog import SqlitePointer  # noqa: PLC0415
    from otlp2parquet_ext.lake.storage.local import LocalStorage  # noqa: PLC0415

    disk = LocalStorage(Path("/"))
    catalog = FileCatalog(SqlitePointer(database, namespace, table), disk)
    label = f"{namespace}.{table}"
    return LeanTable(
        catalog,
        disk,
        columns,
        location=str(location),
        label=label,
        terms=terms,
    )


def glue_table(
    sender: Sender,
    storage: Storage,
    name: GlueName,
    *,
    location: str,
    region: str,
    columns: Sequence[Column] = COLUMNS,
    terms: Terms = LOWER_CASE,
) -> LeanTable:
    """Return a table of the Glue Data Catalog; nothing is asked yet.

    Args:
        sender: signs for Glue.
        storage: reaches every address the table may name.
        name: of the table.
        location: where a table that is created lies: `s3://bucket/prefix`.
        region: of Glue, for messages.
        columns: of our files.
        terms: see `LeanTable`.
    """
    from otlp2parquet_ext.lake.iceberg.catalogs import remedies  # noqa: PLC0415
    from otlp2parquet_ext.lake.iceberg.catalogs.glue_catalog import GluePointer  # noqa: PLC0415

    pointer = GluePointer(
        sender, name, remedies.glue(name.database, name.table, region), columns, location
    )
    return LeanTable(
        FileCatalog(pointer, storage),
        storage,
        columns,
        location=location,
        label=f"{name.database}.{name.table}",
        terms=terms,
    )


def rest_table(
    catalog: RestCatalog,
    storage: Storage,
    *,
    label: str,
    location: str = "",
    columns: Sequence[Column] = COLUMNS,
    terms: Terms = USUAL,
) -> LeanTable:
    """Return a table of a REST catalog; nothing is asked yet.

    Args:
        catalog: of `signed_catalog` or `bearer_catalog`.
        storage: reaches every address the table may name.
        label: the table's name, for messages.
        location: where a table that is created lies; empty if the catalog is to choose.
        columns: of our files.
        terms: see `LeanTable`.
    """
    return LeanTable(
        catalog,
        storage,
        columns,
        location=location,
        label=label,
        terms=terms,
    )


def signed_catalog(sender: Sender, wanted: RestTable, signed: Signing) -> RestCatalog:
    """Return a REST catalog that knows us by signatures: S3 Tables, Glue's REST endpoint.

    Args:
        sender: signs for `signed`.
        wanted: the table.
        signed: see `signing.signing`.
    """
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog  # noqa: PLC0415
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestClient  # noqa: PLC0415
    from otlp2parquet_ext.lake.iceberg.catalogs.signing import remedies_for  # noqa: PLC0415

    return RestCatalog(RestClient(sender, wanted, remedies_for(wanted, signed)))


def bearer_catalog(
    client: Client,
    wanted: RestTable,
    *,
    token: str = "",
    credential: str = "",
    token_uri: str = "",
    scope: str = "",
) -> RestCatalog:
    """Return a REST catalog that knows us by a bearer token, or not at all.

    Args:
        client: sends.
        wanted: the table.
        token: OTLP2PARQUET_REST_TOKEN.
        credential: OTLP2PARQUET_REST_CREDENTIAL; a token goes before.
        token_uri: where a credential gets its token, option `oauth2-server-uri`; empty: from the
            catalog itself.
        scope: of that token, option `scope`; empty: the usual one.
    """
    from otlp2parquet_ext.lake.iceberg.catalogs import bearer, remedies  # noqa: PLC0415
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_catalog import RestCatalog  # noqa: PLC0415
    from otlp2parquet_ext.lake.iceberg.catalogs.rest_client import RestClient  # noqa: PLC0415

    identity = remedies.NO_IDENTITY
    tokens: BearerTokens = bearer.FixedToken(token)
    if token:
        identity = remedies.TOKEN_IDENTITY
    elif credential:
        identity = remedies.CREDENTIAL_IDENTITY
        uri = token_uri or f"{wanted.uri.rstrip('/')}/v1/oauth/tokens"
        tokens = bearer.ClientCredentials(client, uri, credential, scope or bearer.SCOPE)
        client.warn_of_clear_text(uri, "OTLP2PARQUET_REST_CREDENTIAL")
    if token or credential:
        client.warn_of_clear_text(wanted.uri, "our token")
    found = remedies.other(f"{wanted.namespace}.{wanted.name}", identity)
    return RestCatalog(RestClient(bearer.BearerClient(client, tokens), wanted, found))
