"""Assemble the lean append for each kind of catalog.

Imports are local: each kind of catalog loads only the libraries it needs.
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
"""Default terms for Glue, which accepts only lower-case column names."""


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
        database: file of the catalog.
        location: location for a new table; an existing table keeps its own.
        namespace, table: the table's name.
        columns: columns of our files.
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
    """Return a table of the Glue Data Catalog; sends no request yet.

    Args:
        sender: sends signed requests to Glue.
        storage: storage for all addresses in the table's metadata.
        name: name of the table.
        location: location for a new table: `s3://bucket/prefix`.
        region: region of Glue, for messages.
        columns: columns of our files.
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
    """Return a table of a REST catalog; sends no request yet.

    Args:
        catalog: from `signed_catalog` or `bearer_catalog`.
        storage: storage for all addresses in the table's metadata.
        label: the table's name, for messages.
        location: location for a new table; "" lets the catalog choose.
        columns: columns of our files.
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
    """Return a REST catalog with signed requests: S3 Tables, Glue's REST endpoint.

    Args:
        sender: sends requests with the signatures of `signed`.
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
    """Return a REST catalog with a bearer token, or without authentication.

    Args:
        client: sends the requests.
        wanted: the table.
        token: OTLP2PARQUET_REST_TOKEN.
        credential: OTLP2PARQUET_REST_CREDENTIAL; ignored if there is a token.
        token_uri: URL that exchanges the credential for a token, option `oauth2-server-uri`; ""
            for the catalog itself.
        scope: scope of that token, option `scope`; "" for the usual one.
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
